//! gRPC services of the control plane: wire to types and back.

mod admin;
mod control;

pub use admin::{AdminRpc, View};
pub use control::{ControlRpc, Introduction, Rejections, describe, hello_from_wire, hello_to_wire};
