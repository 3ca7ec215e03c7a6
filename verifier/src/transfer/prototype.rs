//! What the types say of the program's own functions where that decides nothing, and only the log
//! tells of it.
//!
//! Rules: `btf_prepare_func_args`, `btf_check_subprog_call` of Linux 6.18 for the program itself and
//! for static functions. Compilers drop and change arguments of static functions, so a prototype that
//! does not fit is no fault: the kernel says so once and does not look again.
//!
//! Left to others: global functions, which are judged by their prototypes (`subprog`).

use crate::explore::Walker;
use crate::state::{Kind, Reg};
use alloc::string::String;
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, Kind as BtfKind, Linkage, Type, TypeId};
use oxbpf_isa::kernel::ProgType;

/// What a parameter stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Number,
    Context,
    Other,
}

/// Parameters that registers have room for.
const MAX_PARAMS: usize = 5;

impl Walker<'_> {
    /// Holds the program's own prototype against what such functions may have.
    pub(crate) fn look_at_main(&mut self) {
        if self.program.funcs.is_empty() || self.prog.prog_type == ProgType::Ext {
            return;
        }
        let params = self.said_params(0);
        self.functions[0].unreliable = params.is_none_or(|p| p[..] != [Said::Context]);
    }

    /// Holds the arguments in `regs` against the prototype of a static function.
    pub(super) fn look_at_call(&mut self, subprog: usize, regs: &[Reg; 11]) {
        if self.program.funcs.is_empty() || self.functions[subprog].unreliable {
            return;
        }
        let fits = self.said_params(subprog).is_some_and(|params| {
            params.iter().enumerate().all(|(n, said)| {
                let reg = &regs[n + 1];
                match said {
                    Said::Number if !reg.is_scalar() => {
                        self.log.line(format_args!("R{} is not a scalar\n", n + 1));
                        false
                    }
                    Said::Context => self.context_argument(n, reg),
                    _ => true,
                }
            })
        });
        self.functions[subprog].unreliable = !fits;
    }

    fn context_argument(&mut self, n: usize, reg: &Reg) -> bool {
        let must_be_unmoved = !matches!(
            reg.kind,
            Kind::Stack
                | Kind::Packet
                | Kind::PacketMeta
                | Kind::MapKey
                | Kind::MapValue
                | Kind::Mem
                | Kind::Buf
                | Kind::Scalar
        );
        if must_be_unmoved && let Err(stop) = self.pointer_offset(reg, n + 1) {
            if let crate::explore::Stop::Reject(finding) = stop {
                self.log.line(format_args!("{finding}\n"));
            }
            return false;
        }
        if reg.kind != Kind::Ctx {
            self.log.line(format_args!("arg#{n} expects pointer to ctx\n"));
            return false;
        }
        true
    }

    /// The parameters of a function; none where the kernel gives up on it.
    fn said_params(&mut self, subprog: usize) -> Option<Vec<Said>> {
        let btf = self.program.btf.clone()?;
        let func = self.program.funcs.get(subprog)?;
        let Some(Type::Func { name, proto, linkage }) = btf.ty(func.type_id) else { return None };
        let Some(Type::FuncProto(proto)) = btf.ty(proto) else { return None };
        let is_global = linkage == Linkage::Global;
        let said = |text: core::fmt::Arguments<'_>, log: &mut crate::log::Log| {
            if is_global {
                log.line(text);
            }
        };
        let count = proto.params().len();
        if count > MAX_PARAMS {
            let text =
                format_args!("Global function {name}() with {count} > {MAX_PARAMS} args. Buggy compiler.\n");
            said(text, &mut self.log);
            return None;
        }
        if !matches!(btf.resolved(proto.ret), Some((_, Type::Int { .. } | Type::Enum(_)))) {
            let text =
                format_args!("Global function {name}() doesn't return scalar. Only those are supported.\n");
            said(text, &mut self.log);
            return None;
        }
        let mut tagged = 0u32;
        for (tag, component) in btf.decl_tags(func.type_id) {
            let (Some(_), Some(n)) = (tag.strip_prefix("arg:"), component) else { continue };
            if !is_global {
                self.log.line(format_args!("arg#{n} type tag is not supported in static functions\n"));
                return None;
            }
            tagged |= 1u32.checked_shl(n).unwrap_or(0);
        }
        let mut params = Vec::new();
        for (n, param) in proto.params().enumerate() {
            let (_, ty) = btf.resolved(param.ty)?;
            let one = match ty {
                Type::Int { .. } | Type::Enum(_) => Said::Number,
                Type::Ptr(_) if tagged >> n & 1 == 1 => Said::Context,
                Type::Ptr(to) if self.is_context(&btf, to) => Said::Context,
                Type::Ptr(to) if is_global => {
                    if btf.size_of(btf.skip_modifiers(to)).is_none() {
                        let what = described(&btf, btf.skip_modifiers(to));
                        self.log.line(format_args!(
                            "arg#{n} reference type('{what}') size cannot be determined: -22\n"
                        ));
                        return None;
                    }
                    Said::Other
                }
                Type::Ptr(_) => return None,
                _ => {
                    let kind = kind_name(btf.kind(btf.skip_modifiers(param.ty)));
                    let text = format_args!("Arg#{n} type {kind} in {name}() is not supported yet.\n");
                    said(text, &mut self.log);
                    return None;
                }
            };
            params.push(one);
        }
        Some(params)
    }
}

/// Kind and name of a type.
pub(super) fn described(btf: &Btf, id: TypeId) -> String {
    let name = btf.ty(id).map_or("", |ty| ty.name());
    alloc::format!("{} {name}", kind_name(btf.kind(id)))
}

/// A kind as the kernel writes it.
pub(super) fn kind_name(kind: Option<BtfKind>) -> &'static str {
    match kind {
        Some(BtfKind::Int) => "INT",
        Some(BtfKind::Ptr) => "PTR",
        Some(BtfKind::Array) => "ARRAY",
        Some(BtfKind::Struct) => "STRUCT",
        Some(BtfKind::Union) => "UNION",
        Some(BtfKind::Enum) => "ENUM",
        Some(BtfKind::Fwd) => "FWD",
        Some(BtfKind::Func) => "FUNC",
        Some(BtfKind::FuncProto) => "FUNC_PROTO",
        Some(BtfKind::Float) => "FLOAT",
        Some(BtfKind::Enum64) => "ENUM64",
        _ => "UNKNOWN",
    }
}
