//! Gates: `suspend` templates, at which Argo waits for a person.
//!
//! Here the answer is given in advance, or asked for on the terminal. Without a terminal nobody
//! could ever give one, so that the gate fails at once.

use std::io::{BufRead, IsTerminal};
use std::thread;

use argo::spec::{Parameter, Parameters, Template};

use super::{Call, Engine};
use crate::answers;
use crate::leaf::Event;
use crate::ui;
use crate::workflow::{Kind, NodeOutputs, Phase};

impl Engine<'_> {
    pub(super) fn gate(&mut self, call: &Call, template: &Template, inputs: Parameters) {
        if self.workflow.node(&call.name).is_none() {
            if !self.ready(call) {
                return;
            }
            self.add(call, Kind::Suspend, Phase::Running, Some(inputs));
        }
        let Some(node) = self.workflow.node(&call.name) else {
            return;
        };
        let (id, step) = (node.id.clone(), node.display_name.clone());
        let (mut outputs, mut questions) = (Vec::new(), Vec::new());
        for output in answers::supplied(template) {
            let choices = answers::choices(template, output);
            let given = self
                .answers
                .iter()
                .rfind(|answer| answer.step == step && answer.name == output.name);
            match given {
                Some(answer) => outputs.push(Parameter::new(&output.name, answer.value.clone())),
                None => questions.push(Question {
                    name: output.name.clone(),
                    choices: choices.to_vec(),
                }),
            }
        }
        if questions.is_empty() {
            return self.answered(&id, Some(outputs));
        }
        if self.asking.is_some() {
            return; // One question at a time.
        }
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return self.end(&id, Phase::Error, &unanswered(&step, &questions));
        }
        self.asking = Some(id.clone());
        self.view.make_room();
        ui::eprint(&format!("{step} waits for an answer\n"));
        let events = self.sender.clone();
        // A read can't be ended; the thread ends with the program.
        thread::spawn(move || {
            for question in questions {
                match question.ask() {
                    Some(value) => outputs.push(Parameter::new(&question.name, value)),
                    None => return drop(events.send(Event::Answered { id, outputs: None })),
                }
            }
            drop(events.send(Event::Answered {
                id,
                outputs: Some(outputs),
            }));
        });
    }

    /// Takes the answer to a gate.
    pub(super) fn answered(&mut self, id: &str, outputs: Option<Vec<Parameter>>) {
        self.asking.take_if(|asking| asking == id);
        if self
            .workflow
            .status
            .nodes
            .get(id)
            .is_none_or(|node| node.phase.fulfilled())
        {
            return; // A signal was faster.
        }
        let Some(parameters) = outputs else {
            return self.end(id, Phase::Error, "nobody answered");
        };
        self.end(id, Phase::Succeeded, "");
        if let Some(node) = self.workflow.status.nodes.get_mut(id) {
            node.outputs = Some(NodeOutputs {
                parameters,
                ..NodeOutputs::default()
            });
        }
    }
}

/// What a gate asks for.
struct Question {
    name: String,
    /// Empty when any answer is good.
    choices: Vec<String>,
}

impl Question {
    /// Asks until there is a good answer; `None` at the end of the input.
    fn ask(&self) -> Option<String> {
        loop {
            ui::eprint(&format!("{} ({}): ", self.name, self.choices.join(", ")));
            let mut line = String::new();
            if std::io::stdin().lock().read_line(&mut line).ok()? == 0 {
                return None;
            }
            let answer = line.trim();
            if self.choices.is_empty() || self.choices.iter().any(|choice| choice == answer) {
                return Some(answer.to_owned());
            }
        }
    }
}

fn unanswered(step: &str, questions: &[Question]) -> String {
    let flag = |question: &Question| {
        let value = if question.choices.is_empty() {
            "VALUE".to_owned()
        } else {
            question.choices.join("|")
        };
        format!("--output-parameter {step}.{}={value}", question.name)
    };
    let flags: Vec<_> = questions.iter().map(flag).collect();
    format!(
        "{step} waits for an answer, and there is no terminal to ask on: give {}",
        flags.join(" ")
    )
}
