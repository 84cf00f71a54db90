//! Runs W3C XQuery test suites against the engine.
//!
//! ```text
//!  catalog ─► applicability ─► conduct (worker processes) ─► run (environment, engine) ─► judge ─► report (bin/qt3)
//! ```
//!
//! The suite is not part of this repository; a folder with `catalog.xml` is given to the runner. The product does not
//! depend on any of this.

pub mod applicability;
pub mod assertion;
pub mod catalog;
pub mod conduct;
pub mod judge;
pub mod lists;
pub mod run;
pub mod world;
pub mod xml;
