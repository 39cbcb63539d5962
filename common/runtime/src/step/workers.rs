//! Threads that work on items one after the other. A thread keeps some of the memory that it has
//! given back: few threads for many items keep little.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::Result;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Step;

/// Which worker ends the work on the item of which number, and how.
type Done<R> = (usize, usize, thread::Result<Result<R>>);

/// Blocking threads that are begun as they are needed, and end when this is dropped.
pub(super) struct Workers<'a, T, R, W> {
    step: &'a Step,
    work: W,
    /// Numbers and items for each worker.
    items: Vec<Sender<(usize, T)>>,
    /// Those that wait; the one that waits least comes first.
    idle: Vec<usize>,
    /// How many are at work.
    pub(super) busy: usize,
    done: (UnboundedSender<Done<R>>, UnboundedReceiver<Done<R>>),
}

impl<'a, T, R, W> Workers<'a, T, R, W>
where
    T: Send + 'static,
    R: Send + 'static,
    W: Fn(T) -> Result<R> + Clone + Send + 'static,
{
    pub(super) fn new(step: &'a Step, work: W) -> Self {
        Self {
            step,
            work,
            items: Vec::new(),
            idle: Vec::new(),
            busy: 0,
            done: unbounded_channel(),
        }
    }

    /// Gives an item, with its number, to a worker that is idle, or to a new one.
    pub(super) fn give(&mut self, item: (usize, T)) {
        let worker = self.idle.pop().unwrap_or_else(|| self.begin());
        // A worker lives as long as its items may come.
        let _ = self.items[worker].send(item);
        self.busy += 1;
    }

    /// The next result that is there, with the number of its item. Only asked for while a worker is
    /// busy.
    pub(super) async fn next(&mut self) -> (usize, Result<R>) {
        match self.done.1.recv().await {
            Some((worker, number, result)) => {
                self.idle.push(worker);
                self.busy -= 1;
                (number, result.unwrap_or_else(|panic| resume_unwind(panic)))
            }
            // Its other end is in this very struct.
            None => std::future::pending().await,
        }
    }

    fn begin(&mut self) -> usize {
        let (sender, items): (_, Receiver<(usize, T)>) = channel();
        let worker = self.items.len();
        self.items.push(sender);
        let (step, work, done) = (self.step.clone(), self.work.clone(), self.done.0.clone());
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            let _entered = span.entered();
            for (number, item) in items {
                let work = || step.check().and_then(|()| work(item));
                let result = catch_unwind(AssertUnwindSafe(work));
                if done.send((worker, number, result)).is_err() {
                    break;
                }
            }
        });
        worker
    }
}
