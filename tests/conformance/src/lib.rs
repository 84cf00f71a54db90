//! Runs W3C XQuery test suites against the engine.
