//! The messages of ONNX that a model needs, as protocol buffers.
//!
//! The format: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

/// Of the format's intermediate representation; runtimes of 2021 and newer read it.
const IR_VERSION: u64 = 8;
/// Of the operators: those that the graph uses take doubles from here on.
const OPSET: u64 = 15;
/// Of the operators for trees: from here on they take doubles.
const OPSET_ML: u64 = 3;
const ML: &str = "ai.onnx.ml";

/// A message: its fields, each with its number.
#[derive(Clone, Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value > 0x7F {
            self.0.push((value & 0x7F) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    fn numbers(self, field: u64, values: impl IntoIterator<Item = u64>) -> Self {
        let numbers = values.into_iter();
        numbers.fold(self, |message, value| message.number(field, value))
    }
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float = 1,
    Int64 = 7,
    Text = 8,
    Bool = 9,
    Double = 11,
}

/// A constant.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    shape: Vec<usize>,
    values: Values,
}

#[derive(Clone, Debug)]
pub(super) enum Values {
    Doubles(Vec<f64>),
    Ints(Vec<i64>),
    Bools(Vec<bool>),
    Texts(Vec<String>),
}

impl Tensor {
    pub(super) fn list(values: Values) -> Self {
        let shape = vec![values.len()];
        Self { shape, values }
    }

    /// One number.
    pub(super) fn scalar(value: f64) -> Self {
        Self {
            shape: Vec::new(),
            values: Values::Doubles(vec![value]),
        }
    }

    /// A table, row by row.
    pub(super) fn table(rows: usize, columns: usize, values: Vec<f64>) -> Self {
        Self {
            shape: vec![rows, columns],
            values: Values::Doubles(values),
        }
    }

    fn message(&self, name: &str) -> Message {
        let dims = self.shape.iter().map(|length| *length as u64);
        let message = Message::default()
            .numbers(1, dims)
            .number(2, self.values.element() as u64)
            .text(8, name);
        match &self.values {
            Values::Doubles(values) => message.bytes(9, &raw(values, |of| of.to_le_bytes())),
            Values::Ints(values) => message.bytes(9, &raw(values, |of| of.to_le_bytes())),
            Values::Bools(values) => message.bytes(9, &raw(values, |of| [u8::from(of)])),
            Values::Texts(texts) => {
                let mut texts = texts.iter();
                texts
                    .by_ref()
                    .fold(message, |message, of| message.text(6, of))
            }
        }
    }
}

fn raw<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Doubles(values) => values.len(),
            Self::Ints(values) => values.len(),
            Self::Bools(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    pub(super) fn element(&self) -> Element {
        match self {
            Self::Doubles(_) => Element::Double,
            Self::Ints(_) => Element::Int64,
            Self::Bools(_) => Element::Bool,
            Self::Texts(_) => Element::Text,
        }
    }
}

/// An attribute of an operator.
#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Text(&'static str),
    Texts(Vec<&'static str>),
    Tensor(Tensor),
}

impl Attribute {
    fn message(&self, name: &str) -> Message {
        let message = Message::default().text(1, name);
        let (message, kind) = match self {
            Self::Int(value) => (message.number(3, *value as u64), 2),
            Self::Ints(values) => (message.numbers(8, values.iter().map(|of| *of as u64)), 7),
            Self::Text(text) => (message.text(4, text), 3),
            Self::Texts(texts) => {
                let mut texts = texts.iter();
                (
                    texts
                        .by_ref()
                        .fold(message, |message, of| message.text(9, of)),
                    8,
                )
            }
            Self::Tensor(tensor) => (message.message(5, &tensor.message(name)), 4),
        };
        message.number(20, kind)
    }
}

/// A graph of operators. Each value has a name, and inputs are named before they are used.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    message: Message,
    names: usize,
}

/// The name of a value in a graph.
pub(super) type Name = String;

impl Graph {
    /// Adds a constant.
    pub(super) fn constant(&mut self, tensor: &Tensor) -> Name {
        let name = self.name("constant");
        self.push(5, &tensor.message(&name));
        name
    }

    /// Adds an operator, and gives its result.
    pub(super) fn operator(
        &mut self,
        kind: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> Name {
        let output = self.name(kind);
        self.operator_named(kind, inputs, attributes, &output);
        output
    }

    /// Adds an operator whose result has this name.
    pub(super) fn operator_named(
        &mut self,
        kind: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        output: &str,
    ) {
        let mut inputs = inputs.iter();
        let node = inputs
            .by_ref()
            .fold(Message::default(), |node, input| node.text(1, input))
            .text(2, output)
            .text(4, kind);
        let node = attributes.iter().fold(node, |node, (name, attribute)| {
            node.message(5, &attribute.message(name))
        });
        let node = match kind.starts_with("TreeEnsemble") {
            true => node.text(7, ML),
            false => node,
        };
        self.push(1, &node);
    }

    /// Says that rows of so many doubles come in by this name.
    pub(super) fn takes(&mut self, name: &str, columns: usize) {
        let value = value(name, Element::Double, Some(columns));
        self.push(11, &value);
    }

    /// Says that a list with an entry for each row, or a table with so many columns, is a result.
    pub(super) fn gives(&mut self, name: &str, element: Element, columns: Option<usize>) {
        let value = value(name, element, columns);
        self.push(12, &value);
    }

    /// The bytes of a model with this graph, and what is said of it by name.
    pub(super) fn model(&self, version: &str, about: &[(&str, &str)]) -> Vec<u8> {
        let graph = Message(self.message.0.clone()).text(2, "alameda");
        let operators =
            |domain: &str, version: u64| Message::default().text(1, domain).number(2, version);
        let model = Message::default()
            .number(1, IR_VERSION)
            .text(2, "alameda")
            .text(3, version)
            .message(7, &graph)
            .message(8, &operators("", OPSET))
            .message(8, &operators(ML, OPSET_ML));
        let model = about.iter().fold(model, |model, (key, text)| {
            model.message(14, &Message::default().text(1, key).text(2, text))
        });
        model.0
    }

    fn push(&mut self, field: u64, message: &Message) {
        let so_far = std::mem::take(&mut self.message);
        self.message = so_far.message(field, message);
    }

    fn name(&mut self, of: &str) -> Name {
        self.names += 1;
        format!("{of}_{}", self.names)
    }
}

fn value(name: &str, element: Element, columns: Option<usize>) -> Message {
    let rows = Message::default().text(2, "rows");
    let shape = Message::default().message(1, &rows);
    let shape = match columns {
        Some(columns) => shape.message(1, &Message::default().number(1, columns as u64)),
        None => shape,
    };
    let tensor = Message::default()
        .number(1, element as u64)
        .message(2, &shape);
    Message::default()
        .text(1, name)
        .message(2, &Message::default().message(1, &tensor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_seven_bits_a_byte() {
        assert_eq!(Message::default().number(1, 150).0, [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").0[..2], [0x12, 7]);
        assert_eq!(Message::default().number(3, u64::MAX).0.len(), 11);
    }
}
