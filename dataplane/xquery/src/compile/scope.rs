//! Variables in scope, and the slots they are in.
//!
//! Slots are never reused within a function, so that a closure may capture any of them at any time. An inline function
//! has a frame of its own; a variable found further out is captured into it, through all frames between.

use super::plan::Slot;
use phoenixmldb_xdm::QName;

/// The frame of one function being compiled.
#[derive(Default)]
pub(crate) struct Frame {
    variables: Vec<(QName, Slot)>,
    next: Slot,
    /// Slots of the frame around, and where they go here.
    pub(crate) captures: Vec<(Slot, Slot)>,
    captured: Vec<(QName, usize, Slot)>,
}

/// The frames of the functions around the current place; the innermost is last.
#[derive(Default)]
pub(crate) struct Scopes {
    frames: Vec<Frame>,
}

impl Scopes {
    pub(crate) fn push_frame(&mut self) {
        self.frames.push(Frame::default());
    }

    /// Ends a function: its captures, and how many slots it needs.
    pub(crate) fn pop_frame(&mut self) -> (Vec<(Slot, Slot)>, usize) {
        let frame = self.frames.pop().expect("every frame that ends was begun");
        (frame.captures, frame.next)
    }

    fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("expressions are compiled inside a frame")
    }

    /// A slot without name.
    pub(crate) fn slot(&mut self) -> Slot {
        let frame = self.top();
        frame.next += 1;
        frame.next - 1
    }

    /// Brings a variable into scope.
    pub(crate) fn bind(&mut self, name: QName) -> Slot {
        let slot = self.slot();
        self.bind_to(name, slot);
        slot
    }

    pub(crate) fn bind_to(&mut self, name: QName, slot: Slot) {
        self.top().variables.push((name, slot));
    }

    /// Where the scope stands, to return there.
    pub(crate) fn mark(&mut self) -> usize {
        self.top().variables.len()
    }

    pub(crate) fn release(&mut self, mark: usize) {
        self.top().variables.truncate(mark);
    }

    /// The slot of a variable in the innermost frame.
    pub(crate) fn find(&mut self, name: &QName) -> Option<Slot> {
        let depth = self.frames.len();
        let home =
            (0..depth).rev().find(|&level| self.frames[level].variables.iter().any(|(known, _)| known == name))?;
        let variables = &self.frames[home].variables;
        let mut slot = variables.iter().rev().find(|(known, _)| known == name).map(|(_, slot)| *slot)?;
        for level in home + 1..depth {
            let frame = &mut self.frames[level];
            let known = frame.captured.iter().find(|(known, from, _)| known == name && *from == slot);
            slot = match known {
                Some((_, _, inner)) => *inner,
                None => {
                    let inner = frame.next;
                    frame.next += 1;
                    frame.captures.push((slot, inner));
                    frame.captured.push((name.clone(), slot, inner));
                    inner
                }
            };
        }
        Some(slot)
    }
}
