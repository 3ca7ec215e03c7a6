//! One kernel as a value: what the records say, seen by one version, with what an embedder adds.
//!
//! A model is built once and shared; questions about helpers and contexts are asked for every
//! instruction a verifier steps through, so they are answered from tables indexed by helper number
//! and program type. Nothing here judges a program.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::context::{CtxAccess, CtxModel, CtxRefusal, CtxRule, Widths};
use super::field::FieldRecord;
use super::helper::{HelperEntry, HelperMatch, HelperProto, HelperRecord, HelperRefusal, Privilege};
use super::kfunc::{KfuncMatch, KfuncRecord, KfuncRefusal};
use super::limits::{Behaviours, KernelRecord, Limits};
use super::map::{MapHelper, MapRecord};
use super::prog::{AttachRecord, ProgRecord, RetRule};
use super::{
    AttachType, HookTraits, KernelVersion, Known, MapType, ProgKind, ProgType, ProgTypeId, Selector,
    Settings, generated,
};

/// What one kernel knows. Cloning shares.
#[derive(Clone)]
pub struct KernelModel(Arc<Facts>);

struct Facts {
    version: KernelVersion,
    known: Known,
    settings: Settings,
    limits: Limits,
    behaviours: Behaviours,
    helpers: Vec<Option<HelperEntry>>,
    maps: Vec<Option<MapEntry>>,
    progs: Vec<Option<&'static ProgRecord>>,
    contexts: Vec<Vec<CtxEntry>>,
    kfuncs: Vec<&'static KfuncRecord>,
    custom: Vec<CustomType>,
    /// Something was added to what is recorded of the kernel.
    changed: bool,
}

struct MapEntry {
    record: &'static MapRecord,
    helpers: Option<Vec<&'static MapHelper>>,
}

struct CtxEntry {
    who: Selector,
    model: CtxModel,
    rules: Box<[CtxRule]>,
}

struct CustomType {
    name: Cow<'static, str>,
    like: Option<ProgKind>,
    rules: Option<Box<[CtxRule]>>,
    helpers: Vec<(u32, HelperEntry)>,
    ret: RetRule,
}

impl fmt::Debug for KernelModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelModel")
            .field("version", &self.0.version)
            .field("custom_types", &self.0.custom.len())
            .finish_non_exhaustive()
    }
}

/// Puts `value` into the slot `index`, growing the table.
fn place<T>(table: &mut Vec<Option<T>>, index: usize, value: T) {
    if table.len() <= index {
        table.resize_with(index + 1, || None);
    }
    table[index] = Some(value);
}

impl KernelModel {
    /// The kernels whose facts are recorded, oldest first.
    pub fn kernels() -> &'static [KernelRecord] {
        generated::limits::KERNELS
    }

    /// The model of this version, if it is one of [`Self::kernels`].
    ///
    /// ```
    /// use oxbpf_isa::kernel::{KernelModel, KernelVersion, ProgKind, ProgType};
    /// let model = KernelModel::at(KernelVersion::new(6, 12)).unwrap();
    /// let xdp = ProgKind::new(ProgType::Xdp);
    /// assert_eq!(model.helper_for(&xdp, 44).unwrap().name, "xdp_adjust_head");
    /// assert!(KernelModel::at(KernelVersion::new(2, 6)).is_none());
    /// ```
    pub fn at(version: KernelVersion) -> Option<Self> {
        let record = Self::kernels().iter().find(|kernel| kernel.version == version)?;
        Some(Self(Arc::new(Facts::at(record, Settings::NONE))))
    }

    /// The model of this version with the settings of the very kernel that its facts were measured on.
    ///
    /// Use it to compare with what that kernel answered; [`Self::at`] has the settings that most kernels have.
    pub fn measured(version: KernelVersion) -> Option<Self> {
        let record = Self::kernels().iter().find(|kernel| kernel.version == version)?;
        (record.known == Known::Measured).then(|| Self(Arc::new(Facts::at(record, record.measured_with))))
    }

    /// The model of the newest version, which is the reference.
    pub fn latest() -> Self {
        let newest = Self::kernels().last().unwrap_or(&FALLBACK);
        Self(Arc::new(Facts::at(newest, Settings::NONE)))
    }

    /// Starts from a version's model and adds to it; from the latest when `version` is `None`.
    ///
    /// Returns `None` when there is no model of that version.
    pub fn builder(version: Option<KernelVersion>, settings: Settings) -> Option<ModelBuilder> {
        let record = match version {
            Some(version) => Self::kernels().iter().find(|kernel| kernel.version == version)?,
            None => Self::kernels().last()?,
        };
        Some(ModelBuilder { facts: Facts::at(record, settings) })
    }

    /// Whether this is what is recorded of a kernel, with nothing added by [`Self::builder`].
    pub fn is_recorded(&self) -> bool {
        !self.0.changed
    }

    /// The version.
    pub fn version(&self) -> KernelVersion {
        self.0.version
    }

    /// How the kernel is taken to be built and started.
    pub fn settings(&self) -> Settings {
        self.0.settings
    }

    /// How the facts of this version as a whole are known.
    pub fn known(&self) -> Known {
        self.0.known
    }

    /// The numbers this kernel compares with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The ways in which this kernel works.
    pub fn behaviours(&self) -> Behaviours {
        self.0.behaviours
    }

    /// Whether this kernel works in all of these ways.
    pub fn does(&self, behaviour: Behaviours) -> bool {
        self.0.behaviours.contains(behaviour)
    }

    /// The name of the helper with this number, whoever may call it.
    pub fn helper_name(&self, id: u32) -> Option<&str> {
        let custom = || self.0.custom.iter().find_map(|custom| custom.helper(id));
        self.0.helper(id).or_else(custom).map(|helper| helper.name.as_ref())
    }

    /// The number of the helper with this name.
    pub fn helper_id(&self, name: &str) -> Option<u32> {
        let name = name.strip_prefix("bpf_").unwrap_or(name);
        let index = self.0.helpers.iter().position(|entry| entry.as_ref().is_some_and(|e| e.name == name))?;
        u32::try_from(index).ok()
    }

    /// One more than the largest helper number of this kernel; an embedder's may lie above.
    pub fn helper_count(&self) -> u32 {
        generated::helpers::HELPERS
            .iter()
            .filter(|record| record.span.contains(self.0.version))
            .map(|record| record.id + 1)
            .max()
            .unwrap_or(0)
    }

    /// The record of the kernel's helper with this number, for this version.
    pub fn helper(&self, id: u32) -> Option<&'static HelperRecord> {
        let record = generated::helpers::HELPERS.iter().find(|record| record.id == id)?;
        record.span.contains(self.0.version).then_some(record)
    }

    /// What the helper with this number is to a program of this kind.
    ///
    /// # Errors
    /// When this kernel has no such helper, or not for this kind of program.
    pub fn helper_for(&self, kind: &ProgKind, id: u32) -> Result<HelperMatch<'_>, HelperRefusal> {
        if let Some(custom) = self.0.custom_of(kind) {
            if let Some(entry) = custom.helper(id) {
                return entry.find(kind);
            }
            if let Some(like) = &custom.like {
                return self.0.helper(id).ok_or(HelperRefusal::UnknownId)?.find(like);
            }
        }
        let entry = self.0.helper(id).ok_or(HelperRefusal::UnknownId)?;
        match kind.hook.contains(HookTraits::NO_HELPERS) {
            true => Err(HelperRefusal::NotForThisProgram),
            false => entry.find(kind),
        }
    }

    /// What a context access of `size` bytes at `offset` is to a program of this kind.
    ///
    /// # Errors
    /// When it is not allowed, or when no table can tell.
    pub fn ctx_access(
        &self,
        kind: &ProgKind,
        offset: i32,
        size: u32,
        write: bool,
    ) -> Result<CtxAccess, CtxRefusal> {
        if let Some(custom) = self.0.custom_of(kind) {
            return match (&custom.rules, &custom.like) {
                (Some(rules), _) => find_rule(rules, offset, size, write),
                (None, Some(like)) => self.0.ctx_access(like, offset, size, write),
                (None, None) => Err(CtxRefusal::NoContext),
            };
        }
        self.0.ctx_access(kind, offset, size, write)
    }

    /// What R0 may be when a program of this kind ends.
    pub fn return_rule(&self, kind: &ProgKind) -> RetRule {
        if let Some(custom) = self.0.custom_of(kind) {
            return custom.ret;
        }
        generated::progs::RETURNS
            .iter()
            .find(|record| record.span.contains(self.0.version) && record.who.matches(kind))
            .map_or(RetRule::Any, |record| record.rule)
    }

    /// The special fields that this kernel looks for.
    pub fn fields(&self) -> impl Iterator<Item = &'static FieldRecord> + '_ {
        generated::fields::FIELDS.iter().filter(|record| record.span.contains(self.0.version))
    }

    /// Whether a kernel object of this structure may be held in a map.
    pub fn has_destructor(&self, name: &str) -> bool {
        self.destructor(name).is_some()
    }

    /// Whether a reader of RCU data may use such an object without holding it.
    pub fn is_rcu_protected(&self, name: &str) -> bool {
        self.destructor(name) == Some(true)
    }

    fn destructor(&self, name: &str) -> Option<bool> {
        let all = generated::fields::DESTRUCTORS.iter();
        let mut known = all.filter(|(of, _, span)| *of == name && span.contains(self.0.version));
        known.next().map(|(_, rcu, _)| *rcu)
    }

    /// The record of a map type, if this kernel knows it.
    pub fn map(&self, map_type: MapType) -> Option<&'static MapRecord> {
        self.0.map(map_type).map(|entry| entry.record)
    }

    /// Whether a program of this kind may give a map of this type to the helper with this number.
    ///
    /// The kernel asks both ways: some maps take some helpers alone, some helpers some maps alone.
    /// Whether the program may call the helper at all is [`Self::helper_for`]'s question.
    pub fn map_allows(&self, map_type: MapType, kind: &ProgKind, helper: u32) -> bool {
        let map_takes = self.0.map(map_type).is_some_and(|entry| match &entry.helpers {
            None => true,
            Some(helpers) => helpers.iter().any(|h| h.id == helper && h.who.matches(kind)),
        });
        let bound = generated::maps::BOUND.binary_search_by_key(&helper, |bound| bound.id);
        let helper_takes = match bound.ok().and_then(|index| generated::maps::BOUND.get(index)) {
            None => true,
            Some(bound) => bound.maps >> map_type.number() & 1 == 1,
        };
        map_takes && helper_takes
    }

    /// Whether programs of this kind may use maps of this type at all.
    pub fn map_usable(&self, map_type: MapType, kind: &ProgKind) -> bool {
        use super::MapFlags;
        self.map(map_type).is_some_and(|map| {
            !map.flags.contains(MapFlags::NOT_IN_PROGRAMS)
                && !map.not_in.has(kind.prog_type)
                && (!kind.sleepable
                    || map.flags.contains(MapFlags::SLEEPABLE) && self.0.version >= map.sleepable_since)
        })
    }

    /// The record of a program type, if this kernel knows it.
    pub fn prog(&self, prog_type: ProgType) -> Option<&'static ProgRecord> {
        self.0.progs.get(prog_type as usize).copied().flatten()
    }

    /// The record of an attach type, if this kernel knows it.
    pub fn attach(&self, attach_type: AttachType) -> Option<&'static AttachRecord> {
        generated::progs::ATTACH
            .iter()
            .find(|record| record.attach_type == attach_type && record.span.contains(self.0.version))
    }

    /// The traits of an attach target: of a kernel function, or for struct_ops of a structure or `structure.member`.
    ///
    /// What the target's own BTF says ([`HookTraits::VOID`]) is left to whoever reads that.
    ///
    /// ```
    /// use oxbpf_isa::kernel::{HookTraits, KernelModel};
    /// let traits = KernelModel::latest().hook_traits("bpf_lsm_file_open");
    /// assert!(traits.contains(HookTraits::LSM_SLEEPABLE));
    /// ```
    pub fn hook_traits(&self, target: &str) -> HookTraits {
        let hooks = generated::hooks::HOOKS;
        let find = |name: &str| match hooks.binary_search_by(|(hook, _)| (*hook).cmp(name)) {
            Ok(index) => hooks.get(index).map_or(HookTraits::NONE, |(_, traits)| *traits),
            Err(_) => HookTraits::NONE,
        };
        match target.split_once('.') {
            Some((structure, _)) => find(structure) | find(target),
            None => find(target),
        }
    }

    /// The name of a program type, an embedder's too.
    pub fn prog_name(&self, id: ProgTypeId) -> Option<&str> {
        match id.custom_index() {
            Some(index) => self.0.custom.get(index).map(|custom| custom.name.as_ref()),
            None => id.kernel().map(ProgType::name),
        }
    }

    /// What the kfunc with this name is to a program of this kind.
    ///
    /// # Errors
    /// When the facts or this kernel do not know it, or when this kind of program may not call it.
    pub fn kfunc_for(&self, kind: &ProgKind, name: &str) -> Result<KfuncMatch, KfuncRefusal> {
        let found = self.0.kfuncs.binary_search_by(|record| record.name.cmp(name));
        let record = *found.ok().and_then(|index| self.0.kfuncs.get(index)).ok_or(KfuncRefusal::Unknown)?;
        let version = self.0.version;
        if !record.span.contains(version) {
            return Err(KfuncRefusal::NotInThisKernel);
        }
        let flags = record.flags.iter().rfind(|(span, _)| span.contains(version));
        let flags = flags.map(|(_, flags)| *flags).unwrap_or_default();
        if !record.uses.iter().any(|usage| usage.span.contains(version) && usage.who.matches(kind)) {
            return Err(KfuncRefusal::NotForThisProgram);
        }
        if flags.contains(super::KfuncFlags::SLEEPABLE) && !kind.sleepable {
            return Err(KfuncRefusal::NeedsSleepable);
        }
        Ok(KfuncMatch { name: record.name, flags })
    }
}

/// The first rule that allows the access.
fn find_rule(rules: &[CtxRule], offset: i32, size: u32, write: bool) -> Result<CtxAccess, CtxRefusal> {
    let width = Widths::of(size).ok_or(CtxRefusal::Invalid)?;
    rules
        .iter()
        .take_while(|rule| rule.start <= offset)
        .find(|rule| rule.allows(offset, size, width, write))
        .map(|rule| CtxAccess {
            reg: if write { super::CtxReg::Scalar } else { rule.reg },
            field: rule.field,
            need: rule.need,
        })
        .ok_or(CtxRefusal::Invalid)
}

/// What is taken when there is no record of any kernel, which the tests exclude.
const FALLBACK: KernelRecord = KernelRecord {
    version: KernelVersion::new(6, 18),
    known: Known::Documented,
    measured_with: Settings::NONE,
};

impl Facts {
    fn at(kernel: &KernelRecord, settings: Settings) -> Self {
        let version = kernel.version;
        let mut helpers = Vec::new();
        for record in generated::helpers::HELPERS.iter().filter(|r| r.span.contains(version)) {
            place(&mut helpers, record.id as usize, HelperEntry::from_record(record, version, settings));
        }
        let mut maps = Vec::new();
        for record in generated::maps::MAPS.iter().filter(|r| r.span.contains(version)) {
            let known = |helper: &&MapHelper| helper.span.contains(version);
            let helpers = record.helpers.map(|helpers| helpers.iter().filter(known).collect());
            place(&mut maps, record.map_type as usize, MapEntry { record, helpers });
        }
        let mut progs = Vec::new();
        for record in generated::progs::PROGS.iter().filter(|r| r.span.contains(version)) {
            place(&mut progs, record.prog_type as usize, record);
        }
        let mut contexts: Vec<Vec<CtxEntry>> = Vec::new();
        contexts.resize_with(usize::from(ProgTypeId::FIRST_CUSTOM), Vec::new);
        for table in generated::contexts::TABLES.iter().filter(|t| t.span.contains(version)) {
            for prog_type in ProgType::ALL.iter().filter(|p| table.who.progs.has((**p).into())) {
                let rules = table.rules.iter().filter(|rule| rule.span.contains(version)).copied().collect();
                contexts[*prog_type as usize].push(CtxEntry { who: table.who, model: table.model, rules });
            }
        }
        let mut behaviours = Behaviours::NONE;
        for (behaviour, span) in generated::limits::BEHAVIOURS {
            if span.contains(version) {
                behaviours |= *behaviour;
            }
        }
        let mut kfuncs: Vec<&'static KfuncRecord> = generated::kfuncs::KFUNCS.iter().collect();
        kfuncs.sort_unstable_by_key(|record| record.name);
        Self {
            version,
            known: kernel.known,
            settings,
            limits: Limits::at(version, generated::limits::LIMITS),
            behaviours,
            helpers,
            maps,
            progs,
            contexts,
            kfuncs,
            custom: Vec::new(),
            changed: false,
        }
    }

    fn helper(&self, id: u32) -> Option<&HelperEntry> {
        self.helpers.get(usize::try_from(id).ok()?)?.as_ref()
    }

    fn map(&self, map_type: MapType) -> Option<&MapEntry> {
        self.maps.get(map_type as usize)?.as_ref()
    }

    fn custom_of(&self, kind: &ProgKind) -> Option<&CustomType> {
        self.custom.get(kind.prog_type.custom_index()?)
    }

    fn ctx_access(
        &self,
        kind: &ProgKind,
        offset: i32,
        size: u32,
        write: bool,
    ) -> Result<CtxAccess, CtxRefusal> {
        let tables = self.contexts.get(usize::from(kind.prog_type.number())).ok_or(CtxRefusal::NoContext)?;
        let table = tables.iter().find(|table| table.who.matches(kind)).ok_or(CtxRefusal::NoContext)?;
        match table.model {
            CtxModel::Table => find_rule(&table.rules, offset, size, write),
            CtxModel::Btf => Err(CtxRefusal::TypedByBtf),
            CtxModel::Target => Err(CtxRefusal::OfTarget),
        }
    }
}

impl CustomType {
    fn helper(&self, id: u32) -> Option<&HelperEntry> {
        self.helpers.iter().find(|(own, _)| *own == id).map(|(_, entry)| entry)
    }
}

/// What an embedder's program type is, before it is added to a model.
#[derive(Clone, Debug)]
pub struct ProgTypeSpec {
    name: Cow<'static, str>,
    like: Option<ProgKind>,
    rules: Option<Vec<CtxRule>>,
    helpers: Vec<(u32, Cow<'static, str>, HelperProto)>,
    ret: RetRule,
}

impl ProgTypeSpec {
    /// A program type of this name, with neither context nor helpers, that may return any scalar.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), like: None, rules: None, helpers: Vec::new(), ret: RetRule::Any }
    }

    /// Helpers and context that are not given are those of this kind of the kernel's programs.
    #[must_use]
    pub fn like(mut self, kind: ProgKind) -> Self {
        self.like = Some(kind);
        self
    }

    /// The context's access rules, in any order.
    #[must_use]
    pub fn context(mut self, rules: impl IntoIterator<Item = CtxRule>) -> Self {
        let mut rules: Vec<CtxRule> = rules.into_iter().collect();
        rules.sort_by_key(|rule| rule.start);
        self.rules = Some(rules);
        self
    }

    /// Adds a helper; the number may be one of the kernel's, which it then takes the place of.
    #[must_use]
    pub fn helper(mut self, id: u32, name: impl Into<Cow<'static, str>>, proto: HelperProto) -> Self {
        self.helpers.push((id, name.into(), proto));
        self
    }

    /// What R0 may be at the end.
    #[must_use]
    pub fn returns(mut self, ret: RetRule) -> Self {
        self.ret = ret;
        self
    }
}

/// Why something could not be added to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// There is a program type or helper of that name.
    NameTaken,
    /// There are as many program types as numbers for them.
    TooManyTypes,
    /// The same helper number twice in one program type.
    HelperTwice(u32),
    /// A context rule whose end is not after its start.
    EmptyRule(&'static str),
    /// Programs of embedders can only be like the kernel's.
    LikeCustom,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken => f.write_str("a program type of this name exists"),
            Self::TooManyTypes => f.write_str("no number is left for another program type"),
            Self::HelperTwice(id) => write!(f, "helper number {id} is given twice"),
            Self::EmptyRule(field) => write!(f, "context rule {field:?} ends where it starts, or before"),
            Self::LikeCustom => f.write_str("a program type can only be like one of the kernel's"),
        }
    }
}

impl core::error::Error for BuildError {}

/// Adds an embedder's program types to a version's model.
pub struct ModelBuilder {
    facts: Facts,
}

impl fmt::Debug for ModelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelBuilder").field("version", &self.facts.version).finish_non_exhaustive()
    }
}

impl ModelBuilder {
    /// Adds a program type and gives the id by which the model knows it.
    ///
    /// # Errors
    /// When the name is taken or the specification contradicts itself.
    pub fn prog_type(&mut self, spec: ProgTypeSpec) -> Result<ProgTypeId, BuildError> {
        if ProgType::from_name(&spec.name).is_some() || self.facts.custom.iter().any(|c| c.name == spec.name)
        {
            return Err(BuildError::NameTaken);
        }
        if spec.like.is_some_and(|like| like.prog_type.kernel().is_none()) {
            return Err(BuildError::LikeCustom);
        }
        let empty = spec.rules.iter().flatten().find(|rule| rule.end <= rule.start);
        if let Some(rule) = empty {
            return Err(BuildError::EmptyRule(rule.field));
        }
        let index = u16::try_from(self.facts.custom.len()).map_err(|_| BuildError::TooManyTypes)?;
        let id = ProgTypeId::custom(index).ok_or(BuildError::TooManyTypes)?;
        let mut helpers: Vec<(u32, HelperEntry)> = Vec::new();
        for (number, name, proto) in spec.helpers {
            if helpers.iter().any(|(other, _)| *other == number) {
                return Err(BuildError::HelperTwice(number));
            }
            let uses = alloc::vec![(Selector::ALL, Privilege::None, proto)];
            helpers.push((number, HelperEntry { name, uses }));
        }
        self.facts.custom.push(CustomType {
            name: spec.name,
            like: spec.like,
            rules: spec.rules.map(Vec::into_boxed_slice),
            helpers,
            ret: spec.ret,
        });
        Ok(id)
    }

    /// Turns ways of working on and off, to model a kernel with backports.
    pub fn behaviours(&mut self, on: Behaviours, off: Behaviours) -> &mut Self {
        self.facts.behaviours = self.facts.behaviours.union(on).without(off);
        self
    }

    /// The model.
    pub fn build(self) -> KernelModel {
        KernelModel(Arc::new(Facts { changed: true, ..self.facts }))
    }
}
