//! The replicated state of the control plane, as a pure state machine.
