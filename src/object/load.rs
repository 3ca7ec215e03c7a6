//! Programs ready to be judged: CO-RE applied, linked, every reference resolved.
//!
//! Follows `bpf_object_prepare` and `bpf_object__relocate` of libbpf 1.7: what concerns the object
//! as a whole is decided once, by [`Object::prepare`]; then each program is made on its own, and a
//! bad one does not sink the rest. Where libbpf puts file descriptors, the index into
//! [`Program::maps`] stands.

use super::debug;
use super::error::{PrepareError, ProgramError, ProgramProblem, StructOpsProblem};
use super::externs::{Extern, ExternKind};
use super::kind::ProgramKind;
use super::link::{CoreAnswer, Linked, link};
use super::options::LoadOptions;
use super::relocs::RelocTarget;
use super::resolve::{self, Resolved};
use super::{MapSource, Object, create, descriptors, struct_ops};
use oxbpf_isa::btf::core::{self, CoreKind};
use oxbpf_isa::insn::RawInsn;
use oxbpf_isa::insn::opcode::pseudo;
use oxbpf_isa::kernel::{KernelVersion, ProgType};
use oxbpf_isa::program::{KfuncRef, MapDef, Program, StructOpsMember};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// A program, and what could not be resolved because the caller did not give what would say.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub program: Program,
    pub unresolved: Vec<Unresolved>,
}

/// Something that depends on what the caller did not give. A program with any of these cannot be
/// judged: its instructions are not those that the kernel would see.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unresolved {
    /// A CO-RE relocation at this slot, which needs the kernel's types.
    Core { insn: usize },
    /// A kernel function or variable at this slot, which needs the kernel's types, or for a
    /// variable without a type its symbols.
    Symbol { insn: usize, name: String },
    /// A value of the kernel's configuration at this slot.
    Config { insn: usize, name: String },
    /// A map that was made before the program was written out; -1 stands in its place.
    MapFd { insn: usize, fd: i32 },
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unresolved::Core { insn } => {
                write!(f, "insn {insn} depends on the types of the target kernel, which were not given")
            }
            Unresolved::Symbol { insn, name } => {
                write!(
                    f,
                    "insn {insn} needs {name} of the target kernel, whose types or symbols were not given"
                )
            }
            Unresolved::Config { insn, name } => {
                write!(f, "insn {insn} needs {name} of the kernel's configuration, which was not given")
            }
            Unresolved::MapFd { insn, fd } => {
                write!(f, "insn {insn} holds descriptor {fd} of a map, and nothing says what map that is")
            }
        }
    }
}

/// Helper numbers of calls that stand where something was missing; no kernel has them.
const POISON_MAP: i32 = 2_001_000_000;
const POISON_KFUNC: i32 = 2_002_000_000;

/// An object fitted to a target.
#[derive(Debug)]
pub struct Prepared<'a> {
    object: &'a Object,
    options: LoadOptions<'a>,
    /// Definitions as the kernel gets them, and whether it does.
    maps: Vec<(Arc<MapDef>, bool)>,
    externs: Vec<Resolved>,
    /// CO-RE answers of subprograms, by function; those of entry points are found when asked for.
    answers: Vec<Vec<CoreAnswer>>,
    struct_ops: HashMap<String, StructOpsMember>,
}

impl Object {
    /// Fits the object to a target: what concerns all its programs.
    ///
    /// # Errors
    /// The first thing for which libbpf or the kernel would refuse the whole object.
    pub fn prepare<'a>(&'a self, options: &LoadOptions<'a>) -> Result<Prepared<'a>, PrepareError> {
        let btf = self.btf.as_deref();
        let (externs, values) = resolve::externs(&self.externs, btf, self.elf.order, options)?;
        let defs = create::definitions(&self.maps, options)?;
        self.check_callbacks(options)?;
        let created: Vec<_> = self.maps.iter().zip(&defs).map(|(m, d)| (m, d.1)).collect();
        let struct_ops = struct_ops::members(&created, options.target)?;
        let finish = |(map, (mut def, created)): (&super::ObjectMap, (MapDef, bool))| {
            if map.source == MapSource::Kconfig {
                def.data = Some(values.clone());
            }
            (Arc::new(def), created)
        };
        let maps = self.maps.iter().zip(defs).map(finish).collect();
        let mut prepared =
            Prepared { object: self, options: *options, maps, externs, answers: Vec::new(), struct_ops };
        for (index, function) in self.functions.iter().enumerate() {
            let answers = match Some(function.section) == self.text {
                true => prepared.core_answers(index).map_err(|e| PrepareError::Subprogram(Box::new(e)))?,
                false => Vec::new(),
            };
            prepared.answers.push(answers);
        }
        Ok(prepared)
    }

    /// Only programs of type struct_ops may stand in structs of callbacks.
    fn check_callbacks(&self, options: &LoadOptions<'_>) -> Result<(), PrepareError> {
        let programs: HashMap<&str, &super::Function> =
            self.programs().map(|(_, f)| (f.name.as_str(), f)).collect();
        for map in &self.maps {
            let Some(ops) = &map.def.struct_ops else { continue };
            for (_, name) in &ops.members {
                let program = programs.get(name.as_str());
                let kind = program.and_then(|p| self.kind_of(p, options));
                if kind.is_none_or(|k| k.prog_type != ProgType::StructOps) {
                    let problem = StructOpsProblem::ProgramType { program: name.clone() };
                    return Err(PrepareError::StructOps { map: map.def.name.clone(), problem });
                }
            }
        }
        Ok(())
    }

    /// What a program is for, by the caller or by its section.
    fn kind_of(&self, function: &super::Function, options: &LoadOptions<'_>) -> Option<ProgramKind> {
        let section = self.section_of(function);
        let kind = options.kind_of(&function.name, section).or_else(|| ProgramKind::of_section(section));
        kind.map(|k| k.for_kernel(options.kernel.map(|k| k.version())))
    }

    /// Prepares one program, the index of an entry point into [`Object::functions`]. To load all
    /// programs of an object, [prepare](Object::prepare) it once.
    ///
    /// # Errors
    /// The first instruction that cannot be prepared, or why no program can.
    pub fn load(&self, entry: usize, options: &LoadOptions<'_>) -> Result<Loaded, ProgramError> {
        let prepared = self.prepare(options).map_err(|e| ProgramError {
            function: self.functions.get(entry).map(|f| f.name.clone()).unwrap_or_default(),
            insn: 0,
            problem: ProgramProblem::Object(e),
        })?;
        prepared.program(entry)
    }
}

impl<'a> Prepared<'a> {
    /// The object.
    pub fn object(&self) -> &'a Object {
        self.object
    }

    /// The maps as the kernel gets them, by the index of [`Object::maps`]; none where a map is not
    /// created.
    pub fn maps(&self) -> impl ExactSizeIterator<Item = Option<&Arc<MapDef>>> + '_ {
        self.maps.iter().map(|(def, created)| created.then_some(def))
    }

    /// Every program, with its index into [`Object::functions`].
    pub fn programs(&self) -> impl Iterator<Item = (usize, Result<Loaded, ProgramError>)> + '_ {
        self.object.programs().map(|(index, _)| (index, self.program(index)))
    }

    /// Prepares the program that begins with an entry point, an index into
    /// [`Object::functions`]. Other programs are not concerned.
    ///
    /// # Errors
    /// The first instruction that cannot be prepared.
    pub fn program(&self, entry: usize) -> Result<Loaded, ProgramError> {
        let object = self.object;
        let Some(function) = object.functions.get(entry) else {
            let function = String::new();
            return Err(ProgramError { function, insn: 0, problem: ProgramProblem::NoFunction });
        };
        let own = self.core_answers(entry)?;
        let answers = |f: usize| if f == entry { &own[..] } else { &self.answers[f][..] };
        let mut linked = link(object, entry, &answers)?;
        let mut binder = Binder::new(self);
        binder.bind(&mut linked)?;
        let (funcs, lines) = debug::linked(&object.debug, &object.functions, &linked.parts)?;
        let Binder { maps, kfuncs, unresolved, .. } = binder;
        if self.options.kernel.is_some_and(|k| !k.version().at_least(KernelVersion::new(5, 5))) {
            use_old_probes(&mut linked.insns);
        }
        let section = object.section_of(function);
        let kind = object.kind_of(function, &self.options);
        let program = Program {
            name: function.name.clone(),
            section: section.strip_prefix('?').unwrap_or(section).to_owned(),
            prog_type: kind.as_ref().map(|k| k.prog_type),
            expected_attach_type: kind.as_ref().and_then(|k| k.attach_type),
            flags: kind.as_ref().map(|k| k.flags).unwrap_or_default(),
            attach_target: kind.and_then(|k| k.target),
            struct_ops: self.struct_ops.get(&function.name).cloned(),
            license: object.license.clone(),
            kern_version: object.version,
            insns: linked.insns,
            maps,
            btf: object.kernel_btf.clone(),
            funcs,
            lines,
            kfuncs,
        };
        Ok(Loaded { program, unresolved })
    }

    /// The answers to a function's CO-RE relocations.
    fn core_answers(&self, function: usize) -> Result<Vec<CoreAnswer>, ProgramError> {
        let Some(btf) = &self.object.btf else { return Ok(Vec::new()) };
        let mut answers = Vec::new();
        for (insn, relo) in &self.object.debug[function].cores {
            let error = |problem| ProgramError {
                function: self.object.functions[function].name.clone(),
                insn: *insn,
                problem,
            };
            let answer = match self.options.target {
                Some(target) => Some(
                    core::resolve(btf, relo, target).map_err(|e| error(ProgramProblem::Core { error: e }))?,
                ),
                // The compiler's own type ids are right whatever the target is.
                None if relo.kind == CoreKind::TypeIdLocal as u32 => continue,
                None => None,
            };
            answers.push((*insn, answer));
        }
        Ok(answers)
    }
}

/// Kernels before 5.5 read kernel and user memory with one helper (libbpf
/// `bpf_object__sanitize_prog`).
fn use_old_probes(insns: &mut [RawInsn]) {
    const PROBE_READ: i32 = 4;
    const PROBE_READ_STR: i32 = 45;
    for insn in insns.iter_mut().filter(|i| i.code == 0x85 && i.src == 0 && i.dst == 0) {
        insn.imm = match insn.imm {
            112 | 113 => PROBE_READ,
            114 | 115 => PROBE_READ_STR,
            other => other,
        };
    }
}

/// Puts maps and symbols into the instructions of one program.
struct Binder<'a> {
    prepared: &'a Prepared<'a>,
    /// The program's own list, and where each map of the object stands in it.
    maps: Vec<Arc<MapDef>>,
    indices: HashMap<usize, i32>,
    kfuncs: Vec<KfuncRef>,
    unresolved: Vec<Unresolved>,
}

impl<'a> Binder<'a> {
    fn new(prepared: &'a Prepared<'a>) -> Binder<'a> {
        Binder {
            prepared,
            maps: Vec::new(),
            indices: HashMap::new(),
            kfuncs: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    fn bind(&mut self, linked: &mut Linked) -> Result<(), ProgramError> {
        self.unresolved = linked.unanswered.iter().map(|&insn| Unresolved::Core { insn }).collect();
        let mut bound = BTreeSet::new();
        for reloc in std::mem::take(&mut linked.relocs) {
            let (function, within) = linked.locate(reloc.insn);
            let code = &mut linked.insns[reloc.insn..];
            let result = match reloc.target {
                RelocTarget::Map(map) => self.map(code, map, None),
                RelocTarget::Data { map, offset } => self.map(code, map, Some(offset)),
                RelocTarget::Extern(index) => self.symbol(code, reloc.insn, index),
                RelocTarget::Call { .. } | RelocTarget::FuncAddr { .. } => Ok(()),
                RelocTarget::Bad(problem) => Err(problem),
            };
            result.map_err(|problem| ProgramError {
                function: self.prepared.object.functions[function].name.clone(),
                insn: within,
                problem,
            })?;
            bound.insert(reloc.insn);
        }
        let fds = descriptors::bind(&mut linked.insns, &bound, &self.prepared.options, &mut self.maps);
        self.unresolved.extend(fds);
        Ok(())
    }

    /// The index of a map of the object in the program's own list.
    fn map_index(&mut self, map: usize) -> i32 {
        let maps = &mut self.maps;
        *self.indices.entry(map).or_insert_with(|| {
            maps.push(self.prepared.maps[map].0.clone());
            maps.len() as i32 - 1
        })
    }

    fn map(&mut self, code: &mut [RawInsn], map: usize, offset: Option<u32>) -> Result<(), ProgramProblem> {
        let [first, second, ..] = code else { return Err(ProgramProblem::Form) };
        if !self.prepared.maps[map].1 {
            let poison = RawInsn::new(0x85, 0, 0, 0, POISON_MAP + map as i32);
            (*first, *second) = (poison, poison);
            return Ok(());
        }
        if let Some(offset) = offset {
            second.imm = first.imm.wrapping_add(offset as i32);
            first.src = pseudo::MAP_VALUE;
        } else {
            first.src = pseudo::MAP_FD;
        }
        first.imm = self.map_index(map);
        Ok(())
    }

    fn symbol(&mut self, code: &mut [RawInsn], insn: usize, index: usize) -> Result<(), ProgramProblem> {
        let e = &self.prepared.object.externs[index];
        let resolved = self.prepared.externs[index];
        if let ExternKind::Kconfig { offset, .. } = e.kind {
            let map = self.prepared.object.maps.iter().position(|m| m.source == MapSource::Kconfig);
            self.map(code, map.ok_or(ProgramProblem::Form)?, Some(offset))?;
            if resolved == Resolved::Unknown {
                self.unresolved.push(Unresolved::Config { insn, name: e.name.clone() });
            }
            return Ok(());
        }
        if resolved == Resolved::Unknown {
            self.unresolved.push(Unresolved::Symbol { insn, name: e.name.clone() });
        }
        match code {
            [call, ..] if call.code == 0x85 => {
                self.call(call, insn, index, resolved);
                Ok(())
            }
            [first, second, ..] => {
                match resolved {
                    Resolved::Type { id, module } => {
                        first.src = pseudo::BTF_ID;
                        first.imm = id.0 as i32;
                        second.imm = module as i32;
                    }
                    Resolved::Address(address) => {
                        first.imm = address as i32;
                        second.imm = (address >> 32) as i32;
                    }
                    _ => (first.imm, second.imm) = (0, 0),
                }
                if matches!(e.kind, ExternKind::Function { .. }) && resolved != Resolved::Missing {
                    self.note_kfunc(insn, e);
                }
                Ok(())
            }
            _ => Err(ProgramProblem::Form),
        }
    }

    fn call(&mut self, code: &mut RawInsn, insn: usize, index: usize, resolved: Resolved) {
        let (imm, off) = match resolved {
            Resolved::Type { id, module } => (id.0 as i32, module as i16),
            Resolved::Unknown => (0, 0),
            _ => {
                *code = RawInsn::new(0x85, 0, 0, 0, POISON_KFUNC + index as i32);
                return;
            }
        };
        (code.src, code.imm, code.off) = (pseudo::CALL_KFUNC, imm, off);
        self.note_kfunc(insn, &self.prepared.object.externs[index]);
    }

    fn note_kfunc(&mut self, insn: usize, e: &Extern) {
        let insn = insn as u32;
        self.kfuncs.push(KfuncRef { insn, name: e.name.clone(), weak: e.weak, local_type: e.btf_id });
    }
}
