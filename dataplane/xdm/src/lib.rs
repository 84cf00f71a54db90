//! The XQuery and XPath Data Model 3.1: values, trees, parsing and serialization.
//!
//! ```text
//!  text ─► parse ─► EventSink ─┬─► TreeBuilder ─► Tree ─► Node (axes, names, string values)
//!                              ├─► the block encoder of the store
//!                              └─► serialize::xml ─► text
//! ```
//!
//! A tree is a set of columns in document order: node `pre` is row `pre`. Nothing is allocated per node, a subtree is a
//! range of rows, and an element's string value is a slice of the text heap.
//!
//! Usable as a stand-alone library: it knows neither storage nor network nor queries. Everything that is linear in the
//! data is iterative, so no document can exhaust the stack.

pub mod atomic;
pub mod axes;
pub mod builder;
pub mod copy;
mod dtd;
pub mod error;
pub mod events;
pub mod function;
pub mod input;
pub mod item;
pub mod limits;
pub mod meter;
pub mod names;
pub mod node;
pub mod parse;
pub mod sequence;
pub mod serialize;
pub mod size;
pub mod summary;
pub mod tree;
pub mod types;
pub mod update;
pub mod values;

pub use atomic::{Atomic, AtomicType};
pub use builder::TreeBuilder;
pub use error::{Error, ErrorCode};
pub use events::{EventSink, SinkError};
pub use function::{Array, Callable, Function, Map};
pub use item::Item;
pub use meter::{Limit, Meter};
pub use names::{NameId, QName};
pub use node::Node;
pub use parse::{ParseError, ParseOptions, parse_into, parse_xml};
pub use sequence::Sequence;
pub use tree::{NodeKind, Tree};

/// Shared immutable text: one word, cheap to clone.
pub type Str = arcstr::ArcStr;
