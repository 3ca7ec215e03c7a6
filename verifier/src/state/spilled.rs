//! A register in the stack.
//!
//! A state has far more slots than registers, few of them hold any, and states are copied at every
//! branch. So what a slot holds lives beside the stack, shared until it is changed.

use super::{Kind, Reg};
use alloc::rc::Rc;
use core::ops::{Deref, DerefMut};

/// A spilled register, or none, which reads as one that was never written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spilled(Option<Rc<Reg>>);

static NOTHING: Reg = Reg::not_init();

impl Spilled {
    pub const NONE: Spilled = Spilled(None);
}

impl From<Reg> for Spilled {
    fn from(reg: Reg) -> Spilled {
        if reg.kind == Kind::NotInit { Spilled::NONE } else { Spilled(Some(Rc::new(reg))) }
    }
}

impl Deref for Spilled {
    type Target = Reg;

    #[inline]
    fn deref(&self) -> &Reg {
        match &self.0 {
            Some(reg) => reg,
            None => &NOTHING,
        }
    }
}

impl DerefMut for Spilled {
    fn deref_mut(&mut self) -> &mut Reg {
        Rc::make_mut(self.0.get_or_insert_with(|| Rc::new(Reg::not_init())))
    }
}
