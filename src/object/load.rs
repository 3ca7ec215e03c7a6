//! Programs ready to be judged: CO-RE applied, linked, every reference resolved.
//!
//! Follows `bpf_object__relocate` of libbpf 1.7. Where libbpf puts file descriptors, the index into
//! [`Program::maps`] stands.

use super::error::{ProgramError, ProgramProblem};
use super::externs::{Extern, ExternKind, target_kind};
use super::link::{Linked, link};
use super::relocs::RelocTarget;
use super::{MapSource, Object};
use oxbpf_isa::btf::core::{self, CoreTarget, Resolution, essential_name, patch};
use oxbpf_isa::btf::{Btf, Kind, Type, TypeId};
use oxbpf_isa::insn::opcode::pseudo;
use oxbpf_isa::insn::{RawInsn, SLOT_SIZE};
use oxbpf_isa::program::{FuncInfo, KfuncRef, LineInfo, MapDef, ProgFlags, Program};
use std::sync::Arc;

/// What programs are prepared for.
#[derive(Clone, Copy, Default, Debug)]
pub struct LoadOptions<'a> {
    /// The types of the kernel. Without them CO-RE relocations and kernel symbols stay as the
    /// compiler left them, and the program says so in [`Loaded::unresolved`].
    pub target: Option<&'a CoreTarget>,
}

/// A program, and what could not be resolved for want of a target.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub program: Program,
    pub unresolved: Vec<Unresolved>,
}

/// Something that depends on a target that was not given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unresolved {
    /// A CO-RE relocation at this slot.
    Core { insn: usize },
    /// A kernel function or variable at this slot.
    Symbol { insn: usize, name: String },
}

/// Helper numbers of calls that stand where something was missing; no kernel has them.
const POISON_MAP: i32 = 2_001_000_000;
const POISON_KFUNC: i32 = 2_002_000_000;

impl Object {
    /// Prepares the program that begins with an entry point, an index into
    /// [`Object::functions`].
    ///
    /// # Errors
    /// The first instruction that cannot be prepared. Other programs are not concerned.
    pub fn load(&self, entry: usize, options: &LoadOptions<'_>) -> Result<Loaded, ProgramError> {
        let mut unresolved = Vec::new();
        let code = self.apply_core(entry, options, &mut unresolved)?;
        let mut linked = link(self, entry, &code)?;
        let pending: Vec<_> = unresolved
            .into_iter()
            .filter_map(|(function, insn)| {
                let (_, start) = *linked.parts.iter().find(|p| p.0 == function)?;
                Some(Unresolved::Core { insn: start + insn })
            })
            .collect();
        let mut loader =
            Loader { object: self, options, maps: Vec::new(), kfuncs: Vec::new(), unresolved: pending };
        loader.resolve(&mut linked)?;
        let (funcs, lines) = self.debug_info(&linked);
        let Loader { maps, kfuncs, unresolved, .. } = loader;
        let function = &self.functions[entry];
        let section = &self.elf.sections[function.section].name;
        let program = Program {
            name: function.name.clone(),
            section: section.clone(),
            prog_type: None,
            expected_attach_type: None,
            attach_target: None,
            flags: ProgFlags::default(),
            license: self.license.clone(),
            kern_version: self.version,
            insns: linked.insns,
            maps,
            btf: self.btf.clone(),
            funcs,
            lines,
            kfuncs,
        };
        Ok(Loaded { program, unresolved })
    }

    /// The instructions of every function that may be linked, with CO-RE relocations answered.
    fn apply_core(
        &self,
        entry: usize,
        options: &LoadOptions<'_>,
        unresolved: &mut Vec<(usize, usize)>,
    ) -> Result<Vec<Vec<RawInsn>>, ProgramError> {
        let mut code: Vec<Vec<RawInsn>> = self.functions.iter().map(|f| f.insns.clone()).collect();
        let Some(btf) = &self.btf else { return Ok(code) };
        for (function, relo) in &self.core {
            let concerned = *function == entry || !self.functions[*function].is_entry;
            if !concerned {
                continue;
            }
            let insn = relo.insn_off as usize / SLOT_SIZE - self.functions[*function].offset;
            let error =
                |problem| ProgramError { function: self.functions[*function].name.clone(), insn, problem };
            let Some(target) = options.target else {
                unresolved.push((*function, insn));
                continue;
            };
            let answer: Resolution =
                core::resolve(btf, relo, target).map_err(|e| error(ProgramProblem::Core { error: e }))?;
            patch(&mut code[*function][insn..], &answer)
                .map_err(|e| error(ProgramProblem::Patch { error: e }))?;
        }
        Ok(code)
    }

    /// Where functions and lines begin in the linked program.
    fn debug_info(&self, linked: &Linked) -> (Vec<FuncInfo>, Vec<LineInfo>) {
        let (mut funcs, mut lines) = (Vec::new(), Vec::new());
        for &(index, start) in &linked.parts {
            let f = &self.functions[index];
            let shift = |insn_off: u32| {
                let slot = (insn_off as usize / SLOT_SIZE).checked_sub(f.offset)?;
                (slot < f.insns.len()).then_some((start + slot) as u32)
            };
            let section = &self.elf.sections[f.section].name;
            let own = |name| self.btf.as_ref().and_then(|b| b.str(name)) == Some(section);
            for info in self.ext.funcs.iter().filter(|s| own(s.name)) {
                let moved = info.records.iter().filter_map(|r| {
                    Some(FuncInfo { insn: shift(r.insn_off)?, type_id: r.type_id, hidden: f.hidden })
                });
                funcs.extend(moved);
            }
            for info in self.ext.lines.iter().filter(|s| own(s.name)) {
                let moved = info.records.iter().filter_map(|r| {
                    let insn = shift(r.insn_off)?;
                    Some(LineInfo { insn, file_name: r.file_name, line_text: r.line, line_col: r.line_col })
                });
                lines.extend(moved);
            }
        }
        (funcs, lines)
    }
}

struct Loader<'a> {
    object: &'a Object,
    options: &'a LoadOptions<'a>,
    maps: Vec<Arc<MapDef>>,
    kfuncs: Vec<KfuncRef>,
    unresolved: Vec<Unresolved>,
}

impl Loader<'_> {
    fn resolve(&mut self, linked: &mut Linked) -> Result<(), ProgramError> {
        for reloc in std::mem::take(&mut linked.relocs) {
            let (function, within) = linked.locate(reloc.insn);
            let error = |problem| ProgramError {
                function: self.object.functions[function].name.clone(),
                insn: within,
                problem,
            };
            let code = &mut linked.insns[reloc.insn..];
            // CO-RE may have replaced the instruction by a call that no kernel accepts.
            match reloc.target {
                RelocTarget::Map(map) => self.map(code, map, None),
                RelocTarget::Data { map, offset } => self.map(code, map, Some(offset)),
                RelocTarget::Extern(index) => {
                    self.extern_ref(code, reloc.insn, index).map_err(error)?;
                }
                RelocTarget::Call { .. } | RelocTarget::FuncAddr { .. } => {}
                RelocTarget::Bad(problem) => return Err(error(problem)),
            }
        }
        Ok(())
    }

    /// The index of a map of the object in the program's own list.
    fn map_index(&mut self, map: usize) -> i32 {
        let def = &self.object.shared_maps[map];
        let known = self.maps.iter().position(|m| Arc::ptr_eq(m, def));
        known.unwrap_or_else(|| {
            self.maps.push(def.clone());
            self.maps.len() - 1
        }) as i32
    }

    fn map(&mut self, code: &mut [RawInsn], map: usize, offset: Option<u32>) {
        let [first, second, ..] = code else { return };
        if !self.object.maps[map].autocreate {
            let poison = RawInsn::new(0x85, 0, 0, 0, POISON_MAP + map as i32);
            (*first, *second) = (poison, poison);
            return;
        }
        if let Some(offset) = offset {
            second.imm = first.imm.wrapping_add(offset as i32);
            first.src = pseudo::MAP_VALUE;
        } else {
            first.src = pseudo::MAP_FD;
        }
        first.imm = self.map_index(map);
    }

    fn extern_ref(&mut self, code: &mut [RawInsn], insn: usize, index: usize) -> Result<(), ProgramProblem> {
        let e = &self.object.externs[index];
        if let ExternKind::Kconfig { offset, .. } = e.kind {
            let map = self.object.maps.iter().position(|m| m.source == MapSource::Kconfig);
            let map = map.ok_or(ProgramProblem::MissingExtern { name: e.name.clone() })?;
            let [first, second, ..] = code else { return Err(ProgramProblem::Form) };
            first.src = pseudo::MAP_VALUE;
            second.imm = offset as i32;
            first.imm = self.map_index(map);
            return Ok(());
        }
        let is_function = matches!(e.kind, ExternKind::Function { .. });
        let Some(target) = self.options.target else {
            self.unresolved.push(Unresolved::Symbol { insn, name: e.name.clone() });
            if is_function && code[0].code == 0x85 {
                code[0].src = pseudo::CALL_KFUNC;
                code[0].imm = 0;
                self.note_kfunc(insn, e);
            }
            return Ok(());
        };
        let found = self.find_target(target, e)?;
        if code[0].code == 0x85 {
            return self.call(&mut code[0], insn, index, found);
        }
        let [first, second, ..] = code else { return Err(ProgramProblem::Form) };
        match found {
            Some((id, module)) if e.kind != ExternKind::Address => {
                first.src = pseudo::BTF_ID;
                first.imm = id.0 as i32;
                second.imm = module as i32;
            }
            Some(_) => self.unresolved.push(Unresolved::Symbol { insn, name: e.name.clone() }),
            None => {
                first.imm = 0;
                second.imm = 0;
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        code: &mut RawInsn,
        insn: usize,
        index: usize,
        found: Option<(TypeId, usize)>,
    ) -> Result<(), ProgramProblem> {
        let e = &self.object.externs[index];
        match found {
            Some((id, module)) => {
                code.src = pseudo::CALL_KFUNC;
                code.imm = id.0 as i32;
                code.off = module as i16;
                self.note_kfunc(insn, e);
            }
            None => *code = RawInsn::new(0x85, 0, 0, 0, POISON_KFUNC + index as i32),
        }
        Ok(())
    }

    fn note_kfunc(&mut self, insn: usize, e: &Extern) {
        let insn = insn as u32;
        self.kfuncs.push(KfuncRef { insn, name: e.name.clone(), weak: e.weak, local_type: e.btf_id });
    }

    /// The extern in the target's types, with 0 for the kernel or the number of the module; `None`
    /// when it is missing and may be.
    fn find_target(
        &self,
        target: &CoreTarget,
        e: &Extern,
    ) -> Result<Option<(TypeId, usize)>, ProgramProblem> {
        let kind = target_kind(e.kind);
        let name = if kind == Kind::Func { essential_name(&e.name) } else { &e.name };
        let parts = std::iter::once(target.vmlinux()).chain(target.modules());
        let found = parts.enumerate().find_map(|(module, btf)| Some((btf.find(name, kind)?, module, btf)));
        let Some((id, module, btf)) = found else {
            return match e.weak {
                true => Ok(None),
                // An address without a type is looked up in the kernel's symbols, which are not
                // part of its types: only a running kernel knows it.
                false if e.kind == ExternKind::Address => Ok(Some((TypeId::VOID, 0))),
                false => Err(ProgramProblem::MissingExtern { name: e.name.clone() }),
            };
        };
        let ours = match e.kind {
            ExternKind::Function { proto } => proto,
            ExternKind::Variable { ty } => ty,
            _ => return Ok(Some((id, module))),
        };
        let theirs = btf.ty(id).and_then(|t| t.target()).unwrap_or_default();
        let local: &Btf = self.object.btf.as_deref().ok_or(ProgramProblem::Form)?;
        if core::types_compatible(local, ours, btf, btf.resolve(theirs).unwrap_or_default()) {
            return Ok(Some((id, module)));
        }
        match e.weak && matches!(btf.ty(id), Some(Type::Func { .. })) {
            true => Ok(None),
            false => Err(ProgramProblem::IncompatibleExtern { name: e.name.clone() }),
        }
    }
}
