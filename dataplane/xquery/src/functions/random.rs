//! `fn:random-number-generator` — F&O 3.1 §4.9. The same seed gives the same numbers everywhere.

use super::args::Args;
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::function::Signature;
use phoenixmldb_xdm::types::{ItemType, Occurrence, SequenceType};
use phoenixmldb_xdm::{Atomic, AtomicType, Callable, Function, Item, Map, QName, Sequence};
use std::any::Any;
use std::sync::Arc;

pub(super) const TABLE: &[FunctionEntry] =
    &[fun("random-number-generator", &["xs:anyAtomicType?"], "map(*)", generator)
        .required(0)
        .depends(Depends::Context)];

/// SplitMix64 (Steele, Lea, Flood 2014): the next state and a number.
fn advance(state: u64) -> (u64, u64) {
    let next = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = next;
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    (next, z ^ z >> 31)
}

fn generator(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let seed = match Args::new(args).atomic(0)? {
        Some(seed) => format!("{}", seed.to_str()),
        None => format!("{:?}", ctx.dynamic().current),
    };
    // FNV-1a.
    let state = seed
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    Ok(Sequence::from(made(state)))
}

/// The map of a generator in this state.
fn made(state: u64) -> Function {
    let (next, bits) = advance(state);
    // 53 bits make every double below one equally likely.
    let number = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    let step = Function::Callable(Arc::new(Step { state: next, permutes: false }));
    let permute = Function::Callable(Arc::new(Step { state: next, permutes: true }));
    Function::from(Map::from_iter([
        (Atomic::string("number"), Sequence::from(Atomic::Double(number))),
        (Atomic::string("next"), Sequence::from(step)),
        (Atomic::string("permute"), Sequence::from(permute)),
    ]))
}

/// `next` or `permute` of a generator.
#[derive(Debug)]
struct Step {
    state: u64,
    permutes: bool,
}

impl Callable for Step {
    fn name(&self) -> Option<&QName> {
        None
    }

    fn arity(&self) -> usize {
        usize::from(self.permutes)
    }

    fn signature(&self) -> Signature {
        if self.permutes {
            return Signature { params: vec![SequenceType::ANY], result: SequenceType::ANY };
        }
        let any = SequenceType::new(ItemType::Item, Occurrence::One);
        let map = ItemType::Map(AtomicType::String, Arc::new(any));
        Signature { params: Vec::new(), result: SequenceType::new(map, Occurrence::One) }
    }

    fn call(&self, args: Vec<Sequence>, _: &mut dyn Any) -> Result<Sequence> {
        if !self.permutes {
            return Ok(Sequence::from(made(self.state)));
        }
        let items = args.first().ok_or_else(|| fail("XPTY0004", "permute takes one argument"))?;
        let mut items: Vec<Item> = items.iter().collect();
        let mut state = self.state;
        // Fisher and Yates.
        for last in (1..items.len()).rev() {
            let (next, bits) = advance(state);
            state = next;
            let at = usize::try_from(bits % (last as u64 + 1)).expect("an index");
            items.swap(last, at);
        }
        Ok(Sequence::from(items))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
