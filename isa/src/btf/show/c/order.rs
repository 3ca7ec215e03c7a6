//! In which order types must be written so that C knows each before it is used.
//!
//! A type can be needed in two ways: declared, as behind a pointer, or whole, as a member. A struct
//! is declared by its tag alone; a typedef needs what it names to be declared; a whole struct needs
//! its members whole. What has no name of its own, such as a pointer or an anonymous struct, is
//! written where it is used, and only passes the need on.

use super::names::is_forward;
use crate::btf::layout::MAX_DEPTH;
use crate::btf::read::Btf;
use crate::btf::show::ShowError;
use crate::btf::types::{Type, TypeId};
use alloc::vec;
use alloc::vec::Vec;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    Declared,
    Whole,
}

#[derive(Clone, Copy)]
enum Step {
    Enter(Need, TypeId),
    Leave(Need, TypeId),
}

const NEW: u8 = 0;
const ENTERED: u8 = 1;
const DONE: u8 = 2;

/// Walks types depth first, with a stack of its own because types may nest without end.
#[derive(Debug)]
pub(super) struct Order {
    /// Both needs of every type.
    states: Vec<[u8; 2]>,
}

impl Order {
    pub fn new(btf: &Btf) -> Order {
        Order { states: vec![[NEW; 2]; btf.type_count() as usize] }
    }

    /// Calls `leave` for everything that the need leads to and that was not met before, each after
    /// what it needs itself.
    pub fn walk(
        &mut self,
        btf: &Btf,
        need: Need,
        id: TypeId,
        mut leave: impl FnMut(Need, TypeId) -> Result<(), ShowError>,
    ) -> Result<(), ShowError> {
        let mut stack = vec![Step::Enter(need, id)];
        while let Some(step) = stack.pop() {
            match step {
                Step::Leave(need, id) => {
                    leave(need, id)?;
                    self.states[id.0 as usize][need as usize] = DONE;
                }
                Step::Enter(need, id) => {
                    let states = self.states.get_mut(id.0 as usize).ok_or(ShowError::NoType { id })?;
                    match states[need as usize] {
                        DONE => continue,
                        ENTERED => return Err(ShowError::Cyclic { id }),
                        _ => states[need as usize] = ENTERED,
                    }
                    stack.push(Step::Leave(need, id));
                    let first = stack.len();
                    needs(btf, need, id, |need, id| stack.push(Step::Enter(need, id)))?;
                    stack[first..].reverse();
                }
            }
        }
        Ok(())
    }
}

/// What must be known before the type is.
fn needs(btf: &Btf, need: Need, id: TypeId, mut push: impl FnMut(Need, TypeId)) -> Result<(), ShowError> {
    match btf.ty(id).ok_or(ShowError::NoType { id })? {
        Type::Struct(c) | Type::Union(c) if need == Need::Whole || c.name.is_empty() => {
            for m in c.members().filter(|m| !leads_to(btf, m.ty, id)) {
                push(Need::Whole, m.ty);
            }
        }
        Type::Typedef { target, .. } if need == Need::Whole => {
            push(Need::Whole, target);
            push(Need::Declared, id);
        }
        Type::Typedef { target, .. } | Type::Ptr(target) => push(Need::Declared, target),
        Type::Const(t) | Type::Volatile(t) | Type::Restrict(t) | Type::TypeTag { target: t, .. } => {
            push(need, t);
        }
        Type::Array { elem, .. } => push(Need::Whole, elem),
        Type::FuncProto(p) => {
            push(Need::Declared, p.ret);
            p.params().for_each(|p| push(Need::Declared, p.ty));
        }
        ty @ Type::Enum(_) if need == Need::Declared && !is_forward(&ty) => push(Need::Whole, id),
        _ => {}
    }
    Ok(())
}

/// Whether the member's type is just a pointer to the struct it is in, whose tag is known there.
fn leads_to(btf: &Btf, mut ty: TypeId, to: TypeId) -> bool {
    let mut pointers = 0;
    for _ in 0..MAX_DEPTH {
        ty = match btf.ty(ty) {
            Some(Type::Ptr(t)) => {
                pointers += 1;
                t
            }
            Some(Type::Const(t) | Type::Volatile(t) | Type::Restrict(t)) => t,
            _ => break,
        };
    }
    pointers > 0 && ty == to
}
