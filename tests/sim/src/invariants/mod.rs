//! What must hold, one file per property. Pure: what clients and nodes saw goes in, the broken rule comes out.

pub mod copies;
pub mod counter;
pub mod leader;
pub mod register;
pub mod snapshot;
