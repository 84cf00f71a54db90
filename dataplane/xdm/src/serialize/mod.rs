//! Serialization 3.1. The xml method, without options yet; the others join it here.

pub mod xml;
