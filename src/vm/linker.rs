//! Names and numbers to maps and functions, and from them to instances.
//!
//! A linker stands for one object, or for one set of programs that share maps: a map that a program
//! defines is made when the first program with it is instantiated, and found by its name by the
//! next. Functions are helpers, by number, and functions of the kernel, by name.

use super::caller::{HostFn, IntoFunc};
use super::context::ContextLayout;
use super::engine::{Engine, Unknown};
use super::helpers;
use super::input::Input;
use super::instance::Instance;
use super::lower::{LinkError, Lowered, Resolve};
use super::maps::{self, Creation, Map, MapShape};
use super::quick::QuickMap;
use super::run::{Linked, Run};
use super::trap::Trap;
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::{MapDef, ProgFlags, Program, SlotTarget};
use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The form of the machine's own helpers.
pub(crate) type OwnFn = fn(&mut Run<'_>, [u64; 5]) -> Result<u64, Trap>;

/// A helper that looks at nothing but what a run is given, and cannot fail.
pub(crate) type AnswerFn = fn(&Engine, &Input<'_>) -> u64;

/// A helper of the machine's own.
#[derive(Clone, Copy)]
pub(crate) enum Own {
    Run(OwnFn),
    Answer(AnswerFn),
}

/// Every function that programs linked together may call.
///
/// A function is known by its index: the machine's own helpers come first, then its kernel functions,
/// then those of the host.
#[derive(Clone, Default)]
pub(crate) struct Table {
    /// Whether the machine's own functions are there.
    own: bool,
    host: Vec<Arc<HostFn>>,
    /// Helpers of the host by number; none where one was taken away.
    helpers: HashMap<i32, Option<u32>>,
    kfuncs: HashMap<String, u32>,
}

const FIRST_KFUNC: usize = helpers::ALL.len();
const FIRST_HOST: usize = FIRST_KFUNC + helpers::KFUNCS.len();

impl Table {
    pub fn helper(&self, id: i32) -> Option<u32> {
        match self.helpers.get(&id) {
            Some(&index) => index,
            None if self.own => {
                helpers::ALL.binary_search_by_key(&id, |row| row.0).ok().map(|index| index as u32)
            }
            None => None,
        }
    }

    fn kfunc(&self, name: &str) -> Option<u32> {
        let own = || helpers::KFUNCS.iter().position(|row| row.0 == name).filter(|_| self.own);
        let index = self.kfuncs.get(name).copied();
        index.or_else(|| own().map(|index| (FIRST_KFUNC + index) as u32))
    }

    /// Whether the function with this index is the machine's own.
    #[cfg(feature = "verifier")]
    pub fn is_own(&self, index: u32) -> bool {
        (index as usize) < FIRST_HOST
    }

    fn push(&mut self, func: Arc<HostFn>) -> u32 {
        self.host.push(func);
        (FIRST_HOST + self.host.len() - 1) as u32
    }

    /// The number of the machine's own helper with this index.
    pub fn own(index: usize) -> Option<i32> {
        helpers::ALL.get(index).map(|row| row.0)
    }

    /// The function with this index, if it looks at nothing but what a run is given.
    #[cfg(feature = "jit")]
    pub fn answer(index: usize) -> Option<AnswerFn> {
        match helpers::ALL.get(index) {
            Some(&(_, _, Own::Answer(own))) => Some(own),
            _ => None,
        }
    }

    /// Calls the function with this index.
    #[inline]
    pub fn call(&self, index: usize, run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Trap> {
        match helpers::ALL.get(index) {
            Some(&(_, _, Own::Answer(own))) => Ok(own(run.engine, run.input)),
            Some(&(id, _, Own::Run(own))) => {
                let fuel = run.fuel;
                let result = own(run, args);
                let told = run.fuel == fuel || helpers::NEEDS_FUEL.contains(&id);
                debug_assert!(told, "helper {id} takes fuel, and machine code is not told");
                result
            }
            None => match helpers::KFUNCS.get(index - FIRST_KFUNC) {
                Some(&(_, own)) => own(run, args),
                None => self.host[index - FIRST_HOST](run, args),
            },
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("own", &self.own).field("host", &self.host.len()).finish()
    }
}

/// A program that runs without its accesses being looked up.
///
/// This is the one place where a promise from outside takes the verifier's place.
#[derive(Clone, Debug)]
pub struct Vouched<'p> {
    program: &'p Program,
    context: Option<(ContextLayout, Vec<u32>)>,
}

impl<'p> Vouched<'p> {
    /// Vouches for a program that is run on plain memory, or on a context without packet pointers.
    ///
    /// # Safety
    /// For every input that the instance will be run on, and whatever other programs do to the maps
    /// meanwhile: each access lies inside one region the program may access that way and is live
    /// (its own stack frame or a caller's, the context, the packet, one map value, a reserved record,
    /// granted memory); atomic accesses are aligned; arguments of helpers are what the facts say of
    /// them, memory arguments inside one region with their whole size.
    pub unsafe fn new(program: &'p Program) -> Vouched<'p> {
        Vouched { program, context: None }
    }

    /// Vouches for a program that is run on a context of this layout. `accesses` lists, in order, the
    /// slots of all loads through a pointer to the context, and only those.
    ///
    /// # Safety
    /// As for [`Vouched::new`]; and the list is right, and offsets in the context are constant.
    pub unsafe fn with_context(
        program: &'p Program,
        layout: ContextLayout,
        accesses: Vec<u32>,
    ) -> Vouched<'p> {
        Vouched { program, context: Some((layout, accesses)) }
    }

    /// The program vouched for.
    pub fn program(&self) -> &'p Program {
        self.program
    }
}

/// Why accesses of a program need not be looked up.
enum Trust<'a> {
    None,
    Vouched(Option<&'a (ContextLayout, Vec<u32>)>),
    #[cfg(feature = "verifier")]
    Verified(&'a oxbpf_isa::proof::Facts, Option<&'a (ContextLayout, Vec<u32>)>),
}

#[cfg(feature = "jit")]
impl Trust<'_> {
    /// How many instructions a run executes at most, where the proof says so.
    fn bound(&self) -> Option<u64> {
        match self {
            #[cfg(feature = "verifier")]
            Trust::Verified(facts, _) => facts.bound,
            _ => None,
        }
    }
}

#[cfg(feature = "jit")]
impl<'a> Trust<'a> {
    /// What is known of the program, instruction by instruction.
    fn facts(&self) -> Option<&'a oxbpf_isa::proof::Facts> {
        match self {
            #[cfg(feature = "verifier")]
            Trust::Verified(facts, _) => Some(facts),
            _ => None,
        }
    }
}

/// Programs that keep each other alive, since arrays of programs do not. None is ever taken out.
pub(crate) type Group = Arc<Mutex<Vec<Arc<Linked>>>>;

/// Makes instances whose host state is a `T`.
pub struct Linker<T> {
    engine: Engine,
    table: Arc<Table>,
    maps: HashMap<String, Arc<dyn Map>>,
    programs: HashMap<String, Arc<Linked>>,
    /// Definitions whose initial elements are still to be filled in.
    slots: Vec<Arc<MapDef>>,
    next_id: u32,
    /// Every program made, kept by every instance.
    group: Group,
    group_number: u64,
    state: PhantomData<fn(T)>,
}

impl<T: 'static> Linker<T> {
    /// A linker with every helper of the kernel that the machine has.
    pub fn new(engine: &Engine) -> Linker<T> {
        let mut linker = Linker::bare(engine);
        Arc::make_mut(&mut linker.table).own = true;
        linker
    }

    /// A linker without any function.
    pub fn bare(engine: &Engine) -> Linker<T> {
        static GROUPS: AtomicU64 = AtomicU64::new(0);
        Linker {
            engine: engine.clone(),
            table: Arc::default(),
            maps: HashMap::new(),
            programs: HashMap::new(),
            slots: Vec::new(),
            next_id: 1,
            group: Group::default(),
            group_number: GROUPS.fetch_add(1, Ordering::Relaxed) + 1,
            state: PhantomData,
        }
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes a function of the host the helper with this number, in place of any other.
    ///
    /// The function takes `&mut Caller<'_, T>` and up to five integers, and gives an integer, nothing,
    /// or a result of either.
    pub fn func<A>(&mut self, id: i32, func: impl IntoFunc<T, A>) -> &mut Self {
        let table = Arc::make_mut(&mut self.table);
        let index = table.push(func.into_func().0);
        table.helpers.insert(id, Some(index));
        self
    }

    /// Makes a function of the host the kernel function with this name.
    pub fn kfunc<A>(&mut self, name: &str, func: impl IntoFunc<T, A>) -> &mut Self {
        let table = Arc::make_mut(&mut self.table);
        let index = table.push(func.into_func().0);
        table.kfuncs.insert(name.to_owned(), index);
        self
    }

    /// Takes a helper away.
    pub fn remove(&mut self, id: i32) -> &mut Self {
        Arc::make_mut(&mut self.table).helpers.insert(id, None);
        self
    }

    /// Whether there is a helper with this number.
    pub fn has(&self, id: i32) -> bool {
        self.table.helper(id).is_some()
    }

    /// Gives a map to the programs that define one of this name.
    pub fn map(&mut self, name: impl Into<String>, map: Arc<dyn Map>) -> &mut Self {
        self.maps.insert(name.into(), map);
        self
    }

    /// The map of this name, given or made.
    pub fn get_map(&self, name: &str) -> Option<&Arc<dyn Map>> {
        self.maps.get(name)
    }

    /// The maps, given or made, in no order.
    pub fn maps(&self) -> impl Iterator<Item = (&str, &Arc<dyn Map>)> {
        self.maps.iter().map(|(name, map)| (name.as_str(), map))
    }

    /// Makes the map of a definition, unless there is one of its name; then it must fit.
    ///
    /// # Errors
    /// When it cannot be made, or the one there is has another shape.
    pub fn define(&mut self, def: &Arc<MapDef>) -> Result<Arc<dyn Map>, LinkError> {
        if let Some(map) = self.maps.get(&def.name) {
            fits(def, &**map)?;
            return Ok(map.clone());
        }
        let failed = |error| LinkError::Map { name: def.name.clone(), error };
        let mut shape =
            MapShape::of(def).ok_or(LinkError::MapType { name: def.name.clone(), number: def.map_type })?;
        if shape.map_type == MapType::PerfEventArray && shape.max_entries == 0 {
            // Loaders make one buffer for each CPU unless told otherwise.
            shape.max_entries = self.engine.cpus();
        }
        let creation = Creation {
            name: &def.name,
            id: self.next_id,
            special: super::special::fields(def),
            inner: def.inner.as_deref().and_then(MapShape::of),
            ..Creation::default()
        };
        let map = maps::create(shape, &creation, &self.engine.config().maps).map_err(failed)?;
        if let Some(data) = &def.data {
            let failed = |errno| LinkError::MapData { name: def.name.clone(), errno };
            let mut value = data.to_vec();
            value.resize(shape.value_size as usize, 0);
            map.update_elem(&0u32.to_ne_bytes(), &value, 0).map_err(failed)?;
            if def.frozen {
                map.freeze().map_err(failed)?;
            }
        }
        self.next_id += 1;
        self.maps.insert(def.name.clone(), map.clone());
        if !def.slots.is_empty() {
            self.slots.push(def.clone());
        }
        Ok(map)
    }

    /// Makes a program ready to run with every access looked up: right for any program.
    ///
    /// # Errors
    /// When the program is malformed or refers to something that is not there.
    pub fn instantiate(&mut self, program: &Program) -> Result<Instance<T>, LinkError> {
        self.link(program, Trust::None)
    }

    /// Makes a vouched program ready to run without looking accesses up.
    ///
    /// # Errors
    /// As for [`Linker::instantiate`].
    pub fn instantiate_vouched(&mut self, vouched: &Vouched<'_>) -> Result<Instance<T>, LinkError> {
        self.link(vouched.program, Trust::Vouched(vouched.context.as_ref()))
    }

    /// Makes a verified program ready to run without looking accesses up.
    ///
    /// A run of it must be given the context that programs of its type get, and an array of programs
    /// leads to it only from programs that hand their context on.
    ///
    /// # Errors
    /// As for [`Linker::instantiate`]; and [`LinkError::Proof`] when what is linked is not what the proof
    /// speaks of: functions of the host, more processors, other maps. The program can still be
    /// instantiated to run checked.
    #[cfg(feature = "verifier")]
    pub fn instantiate_verified(
        &mut self,
        verified: &oxbpf_verifier::Verified<'_>,
    ) -> Result<Instance<T>, LinkError> {
        let context = super::proven::hold(verified, &self.table, &self.engine)?;
        self.link(verified.program(), Trust::Verified(verified.facts(), context.as_ref()))
    }

    fn link(&mut self, program: &Program, trust: Trust<'_>) -> Result<Instance<T>, LinkError> {
        let maps = program.maps.iter().map(|def| self.define(def)).collect::<Result<Box<[_]>, _>>()?;
        let proven = !matches!(trust, Trust::None);
        #[cfg(feature = "jit")]
        let (bound, facts) = (trust.bound(), trust.facts());
        let (context, context_use) = match trust {
            Trust::None => (None, None),
            Trust::Vouched(context) => (context, None),
            #[cfg(feature = "verifier")]
            Trust::Verified(facts, context) => {
                super::proven::hold_maps(program, &maps)?;
                (context, Some(facts.context))
            }
        };
        let binding = Binding {
            maps: &maps,
            table: &self.table,
            unknown: self.engine.config().unknown,
            observed: self.engine.config().observer.is_some(),
            context: context.map(|(layout, accesses)| (layout, accesses.as_slice())),
        };
        let code = Lowered::lower(program, &binding)?;
        #[cfg(feature = "jit")]
        let known = facts.map_or_else(Box::default, |facts| super::known::known(&code, facts));
        let exception_callback = super::exception::callback_of(program, &code);
        let linked = Arc::new(Linked {
            name: Arc::from(program.name.as_str()),
            code,
            quick: maps.iter().map(QuickMap::of).collect(),
            maps,
            table: self.table.clone(),
            proven,
            context: context.map(|(layout, _)| layout.clone()),
            context_use,
            #[cfg(feature = "jit")]
            bound,
            #[cfg(feature = "jit")]
            known,
            prog_type: program.prog_type,
            xdp_frags: program.flags.has(ProgFlags::XDP_HAS_FRAGS),
            id: self.next_id,
            group: self.group_number,
            state: TypeId::of::<T>(),
            exception_callback,
            steps: OnceLock::new(),
            #[cfg(feature = "jit")]
            compiled: super::compiled::Slot::default(),
            #[cfg(all(feature = "jit", unix))]
            sources: self.engine.config().profile.is_some().then(|| super::compiled::Sources::of(program)),
        });
        #[cfg(feature = "jit")]
        super::compiled::on_link(&self.engine, &linked)?;
        self.next_id += 1;
        self.programs.insert(program.name.clone(), linked.clone());
        self.group.lock().unwrap_or_else(PoisonError::into_inner).push(linked.clone());
        self.fill();
        Ok(Instance::new(self.engine.clone(), linked, self.group.clone()))
    }

    /// Fills initial elements of arrays of maps and programs whose targets are there by now.
    fn fill(&mut self) {
        for def in &mut self.slots {
            let Some(map) = self.maps.get(&def.name) else { continue };
            let mut left = Vec::new();
            for slot in &def.slots {
                let done = match &slot.target {
                    SlotTarget::Map(name) => {
                        self.maps.get(name).is_some_and(|m| helpers::map::set_map(&**map, slot.index, m))
                    }
                    SlotTarget::Program(name) => self
                        .programs
                        .get(name)
                        .is_some_and(|p| helpers::tail::set_program(&**map, slot.index, p)),
                };
                if !done {
                    left.push(slot.clone());
                }
            }
            if left.len() != def.slots.len() {
                *def = Arc::new(MapDef { slots: left, ..(**def).clone() });
            }
        }
        self.slots.retain(|def| !def.slots.is_empty());
    }
}

impl<T> fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linker").field("table", &self.table).field("maps", &self.maps).finish_non_exhaustive()
    }
}

/// Holds a map against a definition.
fn fits(def: &MapDef, map: &dyn Map) -> Result<(), LinkError> {
    let shape = map.head().shape();
    let fields = [
        ("type", def.map_type as u64, shape.map_type.number() as u64),
        ("key_size", def.key_size as u64, shape.key_size as u64),
        ("value_size", def.value_size as u64, shape.value_size as u64),
        ("max_entries", def.max_entries as u64, shape.max_entries as u64),
    ];
    match fields.into_iter().find(|(name, wanted, found)| {
        // Loaders choose the number of entries of some maps themselves.
        wanted != found && !(*name == "max_entries" && *wanted == 0)
    }) {
        Some((field, wanted, found)) => {
            Err(LinkError::MapMismatch { name: def.name.clone(), field, wanted, found })
        }
        None => Ok(()),
    }
}

struct Binding<'a> {
    maps: &'a [Arc<dyn Map>],
    table: &'a Table,
    unknown: Unknown,
    observed: bool,
    context: Option<(&'a ContextLayout, &'a [u32])>,
}

impl Resolve for Binding<'_> {
    fn map(&self, index: usize) -> Option<u64> {
        (index < self.maps.len()).then(|| Linked::map_handle(index))
    }

    fn map_value(&self, index: usize, offset: u32) -> Option<u64> {
        let address = self.maps.get(index)?.direct_value(offset).ok()?;
        Some(address.as_ptr().expose_provenance() as u64)
    }

    fn helper(&self, id: i32) -> Option<u32> {
        self.table.helper(id)
    }

    fn helper_name(&self, id: i32) -> Option<&'static str> {
        helpers::name_of(id)
    }

    fn kfunc(&self, name: &str) -> Option<u32> {
        self.table.kfunc(name)
    }

    fn trap_unknown(&self) -> bool {
        self.unknown == Unknown::TrapAtCall
    }

    fn observed(&self) -> bool {
        self.observed
    }

    fn proven_context(&self) -> Option<(&ContextLayout, &[u32])> {
        self.context
    }
}
