//! `oxbpf run`: run programs and show what they did.

mod events;
mod inputs;
mod maps;
mod show;

use super::load::LoadArgs;
use super::style::Format;
use super::types::TypesArgs;
use super::{CliError, Status, input};
use crate::object::{Input as Code, LoadOptions, Object};
use crate::vm::{
    Config, Engine, Input, Instance, Linker, ManualClock, Seeded, Strategy, TraceBuffer, Trap, Unknown,
};
use clap::ValueEnum;
use inputs::{Case, Kind};
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::Program;
#[cfg(all(feature = "jit", unix))]
use oxbpf_jit::perf::Profile;
use std::collections::BTreeMap;
use std::io::Write;
#[cfg(all(feature = "jit", unix))]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// Run a program on packets, a capture, memory, a context or recorded events.
///
/// The program need not be verified: every access is held against the memory it may touch, and what
/// goes wrong ends in a trap that says where. One that Linux would accept runs on the verifier's proof
/// instead, where the proof speaks of what it is run on. Afterwards the maps are shown, typed by the object's own
/// types; an array of counts named `slots` is drawn as a histogram of powers of two.
///
/// Exit status: 0 all runs came to an end, 1 one trapped, 2 usage or unreadable input.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// An ELF object, or instructions as bytes or hexadecimal text.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The program to run, where the object has several. With --events all that have events run.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// A packet in hexadecimal, or @FILE with its bytes. May be given several times.
    #[arg(long, value_name = "HEX|@FILE")]
    packet: Vec<String>,
    /// A capture: pcap or pcapng of Ethernet packets.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Memory that R1 points to, R2 being its length: hexadecimal, or @FILE with its bytes.
    #[arg(long, value_name = "HEX|@FILE", conflicts_with_all = ["packet", "pcap"])]
    mem: Option<String>,
    /// The context as fields of its type: `name=value,inner.name=value`.
    #[arg(long, value_name = "FIELDS", conflicts_with = "mem")]
    ctx: Option<String>,
    /// Recorded events: a line each of time in ns, CPU, event, and the fields of its context.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["packet", "pcap", "mem", "ctx", "prog"])]
    events: Option<PathBuf>,
    /// Run each input so many times.
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: u64,
    /// Tell Linux perf of the machine code: a map of names in /tmp, or a jitdump with lines of the source
    /// in the current directory, for `perf record -k mono` and `perf inject --jit`.
    #[cfg(all(feature = "jit", unix))]
    #[arg(long, value_enum, value_name = "FORMAT")]
    perf: Option<Perf>,
    /// The most instructions that one run may take.
    #[arg(long, value_name = "N")]
    budget: Option<u64>,
    /// How to run programs.
    #[arg(long, value_enum, default_value = "interp")]
    engine: EngineArg,
    /// The number of CPUs that the program sees.
    #[arg(long, value_name = "N", default_value_t = 4)]
    cpus: u32,
    /// Hold every access, even where the verifier has proved it.
    #[arg(long)]
    checked: bool,
    /// What random numbers begin with.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// The time that the program sees at first, in ns.
    #[arg(long, value_name = "NS", default_value_t = 0)]
    time: u64,
    #[command(flatten)]
    types: TypesArgs,
    #[command(flatten)]
    load: LoadArgs,
    /// How to write the results.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum EngineArg {
    /// By the interpreter.
    Interp,
    /// As machine code.
    #[cfg(feature = "jit")]
    Jit,
}

impl EngineArg {
    fn strategy(self) -> Strategy {
        match self {
            EngineArg::Interp => Strategy::Interpret,
            #[cfg(feature = "jit")]
            EngineArg::Jit => Strategy::Compile,
        }
    }
}

/// How `perf` is told of machine code.
#[cfg(all(feature = "jit", unix))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Perf {
    /// Names, in /tmp/perf-PID.map.
    Map,
    /// Names, lines and code, in jit-PID.dump.
    Jitdump,
}

/// Opens the file for `perf` and says where it is.
#[cfg(all(feature = "jit", unix))]
fn profile(perf: Perf, args: &Args) -> std::result::Result<Arc<Profile>, CliError> {
    if args.engine.strategy() == Strategy::Interpret {
        return Err(CliError::Usage("--perf is for machine code: --engine jit".to_owned()));
    }
    let format = match perf {
        Perf::Map => oxbpf_jit::perf::Format::Map,
        Perf::Jitdump => oxbpf_jit::perf::Format::Jitdump,
    };
    let profile = Profile::create(format, Path::new("."))?;
    let _ = writeln!(std::io::stderr(), "for perf: {}", profile.path().display());
    Ok(Arc::new(profile))
}

/// A program that is ready.
struct Ready {
    program: Program,
    instance: Instance<()>,
    /// Without checks, once that was tried.
    proven: Option<Option<Instance<()>>>,
}

impl Ready {
    /// The instance that runs on this input.
    fn instance_for(&self, input: &Input<'_>) -> &Instance<()> {
        let proven = self.proven.as_ref().and_then(Option::as_ref);
        proven.filter(|p| p.accepts(input)).unwrap_or(&self.instance)
    }
}

/// What a run gave.
enum Result1 {
    Returned { ret: u64, insns: u64 },
    Trapped(Box<Trap>),
}

/// A run, told.
struct Told {
    program: String,
    label: String,
    result: Result1,
}

/// All that happened.
struct Session {
    checked: bool,
    programs: BTreeMap<String, Ready>,
    linker: Linker<()>,
    runs: Vec<Told>,
    trace: Vec<String>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> std::result::Result<Status, CliError> {
    let clock = Arc::new(ManualClock::at(args.time));
    let trace = Arc::new(TraceBuffer::new(10_000));
    let mut config = Config::new()
        .clock(clock.clone())
        .random(Arc::new(Seeded::new(args.seed)))
        .trace(trace.clone())
        .unknown(Unknown::TrapAtCall)
        .strategy(args.engine.strategy())
        .cpus(args.cpus.max(1));
    if let Some(budget) = args.budget {
        config = config.budget(budget);
    }
    #[cfg(all(feature = "jit", unix))]
    let profile = args.perf.map(|format| profile(format, args)).transpose()?;
    #[cfg(all(feature = "jit", unix))]
    if let Some(profile) = &profile {
        config = config.profile(profile.clone());
    }
    let engine = Engine::new(config);
    let mut session = Session {
        checked: args.checked,
        programs: BTreeMap::new(),
        linker: Linker::new(&engine),
        runs: Vec::new(),
        trace: Vec::new(),
    };
    let target = args.types.target(false)?;
    let (kinds, kconfig) = (args.load.kinds()?, args.load.config()?);
    let options = LoadOptions {
        target: target.as_ref(),
        kinds: &kinds,
        maps: &args.load.maps,
        config: kconfig.as_ref(),
        ..LoadOptions::default()
    };
    let cases = match input::code(&args.file)? {
        Code::Slots(insns) => {
            session.link(Code::program("program", insns, &options).program)?;
            inputs::cases(args, &session.programs["program"].program)?
        }
        Code::Object(object) => {
            session.link_object(&object, &options, args)?;
            match &args.events {
                Some(path) => events::cases(path, &session.programs)?,
                None => {
                    let name = choose(&session.programs, args)?;
                    inputs::cases(args, &session.programs[&name].program)?
                }
            }
        }
    };
    for mut case in cases {
        for _ in 0..args.repeat {
            if let Some(time) = case.time {
                clock.set(time);
            }
            session.run(&mut case);
        }
    }
    session.trace = trace.take();
    #[cfg(all(feature = "jit", unix))]
    if let Some((profile, error)) = profile.as_ref().and_then(|p| Some((p, p.error()?))) {
        let _ = writeln!(std::io::stderr(), "oxbpf: {}: {error}", profile.path().display());
    }
    match args.format {
        Format::Human => show::human(&session, out)?,
        Format::Json => show::json(&session, out)?,
    }
    let trapped = session.runs.iter().any(|r| matches!(r.result, Result1::Trapped(_)));
    Ok(if trapped { Status::Rejected } else { Status::Fine })
}

/// The program that the arguments mean.
fn choose(programs: &BTreeMap<String, Ready>, args: &Args) -> std::result::Result<String, CliError> {
    let names = || programs.keys().cloned().collect::<Vec<_>>().join(", ");
    match (&args.prog, programs.len()) {
        (Some(name), _) if programs.contains_key(name) => Ok(name.clone()),
        (Some(name), _) => Err(CliError::Usage(format!("there is no program {name}, only {}", names()))),
        (None, 1) => Ok(names()),
        (None, _) => Err(CliError::Usage(format!("choose one with --prog: {}", names()))),
    }
}

impl Session {
    fn link(&mut self, program: Program) -> std::result::Result<(), CliError> {
        let error = |e: &dyn std::fmt::Display| CliError::Usage(format!("program {}: {e}", program.name));
        let instance = self.linker.instantiate(&program).map_err(|e| error(&e))?;
        self.programs.insert(program.name.clone(), Ready { program, instance, proven: None });
        Ok(())
    }

    /// Links every program of an object, since they may call each other; one that cannot be linked
    /// matters only when it is the one to run.
    fn link_object(
        &mut self,
        object: &Object,
        options: &LoadOptions<'_>,
        args: &Args,
    ) -> std::result::Result<(), CliError> {
        let mut first_error = None;
        for (entry, function) in object.programs() {
            let result = match object.load(entry, options) {
                Ok(loaded) => self.link(loaded.program),
                Err(e) => Err(CliError::input(args.file.display(), e)),
            };
            if let Err(error) = result {
                if args.prog.as_ref() == Some(&function.name) {
                    return Err(error);
                }
                first_error.get_or_insert(error);
            }
        }
        match first_error {
            Some(error) if self.programs.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Looks for a proof of a program that is about to run for the first time. Why there may be none is
    /// what `check` is for.
    fn prove(&mut self, name: &str) {
        let Some(ready) = self.programs.get_mut(name).filter(|r| r.proven.is_none() && !self.checked) else {
            return;
        };
        let cpus = self.linker.engine().cpus();
        let verified = oxbpf_verifier::prove(&ready.program, &KernelModel::latest(), cpus);
        ready.proven = Some(verified.ok().and_then(|v| self.linker.instantiate_verified(&v).ok()));
    }

    fn run(&mut self, case: &mut Case) {
        self.prove(&case.program);
        let Some(ready) = self.programs.get(&case.program) else { return };
        let input = match &mut case.kind {
            Kind::None => Input::none(),
            Kind::Memory(bytes) => {
                let len = bytes.len() as u64;
                Input::memory(bytes).arg(2, len)
            }
            Kind::Context(context) => Input::context(context),
            Kind::Packet(context, packet) => Input::context(context).packet(packet),
        };
        let input = input.cpu(case.cpu);
        let result = match ready.instance_for(&input).run(&mut (), input) {
            Ok(outcome) => Result1::Returned { ret: outcome.ret, insns: outcome.insns },
            Err(trap) => Result1::Trapped(Box::new(trap)),
        };
        self.runs.push(Told { program: case.program.clone(), label: case.label.clone(), result });
    }
}
