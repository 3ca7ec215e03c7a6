//! `oxbpf check`: would the kernel take these programs?

use super::load::LoadArgs;
use super::style::{Ink, Paint};
use super::types::TypesArgs;
use super::{CliError, Status, input};
use crate::object::{Input, LoadOptions, Loaded, Object, PrepareError, Prepared, Unresolved};
use crate::report::{self, Finding, Inks, Source, VerdictKind};
use clap::ValueEnum;
use clap::builder::TypedValueParser as _;
use oxbpf_isa::btf::core::CoreTarget;
use oxbpf_isa::btf::{Kind, TypeId};
use oxbpf_isa::kernel::{KernelModel, KernelVersion, ProgType};
use oxbpf_isa::program::{FuncInfo, Program, StructOpsMember};
use oxbpf_verifier::{Feature, Judgement, Verdict, verify_logged};
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Tell whether a kernel would load the programs of objects, and why not.
///
/// Every program of every object is judged for every kernel asked for. What cannot be judged is
/// unknown, never accepted. Exit status: 0 all accepted, 1 some rejected, 2 usage or unreadable
/// input, 3 some unknown.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// ELF objects, or instructions as bytes or hexadecimal text.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Kernels to check for: versions, or `host` for the running one.
    #[arg(long, value_name = "VERSION", value_delimiter = ',', default_value = "6.18")]
    kernel: Vec<String>,
    #[command(flatten)]
    types: TypesArgs,
    /// Only the program of this name.
    #[arg(long, value_name = "NAME")]
    prog: Vec<String>,
    /// Attach a program to a function, tracepoint or hook, whatever its section says; to a function of a
    /// module, as MODULE:FUNCTION; to a callback, as STRUCTURE.MEMBER; or to a function of another program,
    /// as OBJECT:FUNCTION.
    #[arg(long, value_name = "PROGRAM=TARGET")]
    attach: Vec<String>,
    #[command(flatten)]
    load: LoadArgs,
    /// How to write the results.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Add the kernel's log: 1 the path to what is wrong, 2 every state, 4 only the statistics.
    #[arg(long, value_name = "LEVEL", default_value_t = 0, value_parser = clap::builder::PossibleValuesParser::new(["0", "1", "2", "4"]).map(|l| l.parse::<u32>().unwrap_or(0)))]
    log_level: u32,
    /// How many programs to judge at once; 0 for one per CPU.
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One object, with stable keys.
    Json,
    /// Columns and words of veristat.
    Csv,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit's XML: a test case for each program and kernel.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
}

/// A kernel to check for.
struct Kernel {
    name: String,
    model: KernelModel,
    target: Option<CoreTarget>,
}

/// A file to check for a kernel.
struct Pair<'a> {
    file: &'a Path,
    code: &'a Input,
    kernel: &'a Kernel,
    options: LoadOptions<'a>,
    log_level: u32,
    /// What programs attach to, by name, where the arguments say so.
    attach: &'a [Attach],
    /// The object fitted to the kernel, when the first of its programs is asked for.
    prepared: OnceLock<Result<Prepared<'a>, PrepareError>>,
}

/// A program of a file to check for a kernel.
struct Job<'a> {
    pair: &'a Pair<'a>,
    /// The function to begin with, for objects.
    entry: usize,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    let kernels = args.kernel.iter().map(|k| kernel(k, args)).collect::<Result<Vec<_>, _>>()?;
    let mut files = Vec::new();
    for path in &args.files {
        files.push((path.as_path(), input::code(path)?));
    }
    let attach = args.attach.iter().map(|given| Attach::parse(given)).collect::<Result<Vec<_>, _>>()?;
    let (kinds, config) = (args.load.kinds()?, args.load.config()?);
    let options = LoadOptions {
        kinds: &kinds,
        maps: &args.load.maps,
        config: config.as_ref(),
        ..LoadOptions::default()
    };
    let pairs: Vec<Pair<'_>> = files
        .iter()
        .flat_map(|(file, code)| kernels.iter().map(move |kernel| (file, code, kernel)))
        .map(|(file, code, kernel)| {
            let target = kernel.target.as_ref();
            let options = LoadOptions { target, kernel: Some(&kernel.model), ..options };
            Pair {
                file,
                code,
                kernel,
                options,
                log_level: args.log_level,
                attach: &attach,
                prepared: OnceLock::new(),
            }
        })
        .collect();
    let chosen = args.prog.iter().map(|name| ("--prog", name));
    for (option, name) in chosen.chain(attach.iter().map(|a| ("--attach", &a.program))) {
        named_somewhere(option, name, &files)?;
    }
    let mut jobs = Vec::new();
    for pairs in pairs.chunks(kernels.len()) {
        let code = pairs[0].code;
        let chosen = |name: &str| args.prog.is_empty() || args.prog.iter().any(|p| p == name);
        let entries: Vec<usize> = match code {
            Input::Object(object) => {
                object.programs().filter(|(_, f)| chosen(&f.name)).map(|(entry, _)| entry).collect()
            }
            Input::Slots(_) => Vec::from_iter(chosen(RAW).then_some(0)),
        };
        for entry in entries {
            jobs.extend(pairs.iter().map(|pair| Job { pair, entry }));
        }
    }
    if jobs.is_empty() {
        return Err(CliError::Usage("there are no programs in these files".to_owned()));
    }
    let findings = judge_all(&jobs, args.jobs);
    match args.format {
        Format::Human => {
            let verdict = |kind, word: &str| {
                let ink = match kind {
                    VerdictKind::Accept => Ink::Good,
                    VerdictKind::Reject => Ink::Bad,
                    VerdictKind::Unknown => Ink::Doubt,
                };
                Paint(ink, word).to_string()
            };
            let faint = |text: &str| Paint(Ink::Faint, text).to_string();
            report::write_human(&findings, &Inks { verdict: &verdict, faint: &faint }, out)?;
        }
        Format::Json => report::write_json(&findings, out)?,
        Format::Csv => report::write_csv(&findings, out)?,
        Format::Sarif => report::write_sarif(&findings, out)?,
        Format::Junit => report::write_junit(&findings, out)?,
        Format::Github => report::write_github(&findings, out)?,
    }
    let any = |kind| findings.iter().any(|f| f.verdict == kind);
    Ok(match () {
        () if any(VerdictKind::Reject) => Status::Rejected,
        () if any(VerdictKind::Unknown) => Status::Unknown,
        () => Status::Fine,
    })
}

/// Holds that some file has a program of this name.
fn named_somewhere(option: &str, name: &str, files: &[(&Path, Input)]) -> Result<(), CliError> {
    let mut known = BTreeSet::new();
    for (_, code) in files {
        match code {
            Input::Object(object) => known.extend(object.programs().map(|(_, f)| f.name.as_str())),
            Input::Slots(_) => drop(known.insert(RAW)),
        }
    }
    if known.contains(name) {
        return Ok(());
    }
    let known = Vec::from_iter(known).join(", ");
    Err(CliError::Usage(format!("{option} {name}: there is no such program; expected one of {known}")))
}

fn kernel(name: &str, args: &Args) -> Result<Kernel, CliError> {
    let host = name == "host";
    let version: KernelVersion = match host {
        true => input::host_version()?,
        false => name.parse().map_err(|e| CliError::Usage(format!("--kernel {name}: {e}")))?,
    };
    let known = || {
        let all: Vec<String> = KernelModel::kernels().iter().map(|k| k.version.to_string()).collect();
        CliError::Usage(format!("--kernel {name}: expected host or one of {}", all.join(", ")))
    };
    let model = KernelModel::at(version).ok_or_else(known)?;
    let target = args.types.target(host)?;
    Ok(Kernel { name: version.to_string(), model, target })
}

/// Judges all jobs on several threads and gives the findings in the order of the jobs.
fn judge_all(jobs: &[Job<'_>], threads: usize) -> Vec<Finding> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Finding>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((nth, job)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, jobs.get(n)?)))
                {
                    let finding = judge(job);
                    done.lock().unwrap_or_else(PoisonError::into_inner)[nth] = Some(finding);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

fn judge(job: &Job<'_>) -> Finding {
    let start = Instant::now();
    let options = &job.pair.options;
    let object = match job.pair.code {
        Input::Slots(insns) => {
            return judge_loaded(job, Input::program(RAW, insns.clone(), options), start);
        }
        Input::Object(object) => object,
    };
    match job.pair.prepared.get_or_init(|| object.prepare(options)) {
        Ok(prepared) => match prepared.program(job.entry) {
            Ok(loaded) => judge_loaded(job, loaded, start),
            Err(error) => refused(job, object, &error, start.elapsed()),
        },
        Err(error) => refused(job, object, error, start.elapsed()),
    }
}

fn judge_loaded(job: &Job<'_>, loaded: Loaded, start: Instant) -> Finding {
    let Loaded { mut program, unresolved } = loaded;
    let kernel = &job.pair.kernel;
    let kernel = oxbpf_verifier::Kernel::new(&kernel.model).with_types(kernel.target.as_ref());
    let attach = job.pair.attach.iter().find(|a| a.program == program.name);
    if let Some(attach) = attach {
        match (program.prog_type, attach.target.split_once('.')) {
            (Some(ProgType::StructOps), Some((ops, member))) => {
                let kernel = job.pair.kernel.target.as_ref().and_then(|target| callback(target, ops, member));
                let (type_name, member) = (ops.to_owned(), member.to_owned());
                program.struct_ops = Some(StructOpsMember { type_name, member, kernel });
            }
            _ => program.attach_target = Some(attach.target.clone()),
        }
    }
    let other = match attach.map(|a| a.other(&job.pair.options)).transpose() {
        Ok(other) => other.flatten(),
        Err(message) => {
            return Finding { message, ..finding(job, &program.name, &program.section, start.elapsed()) };
        }
    };
    let kernel = kernel.with_target(other.as_ref());
    let (mut judgement, log) = verify_logged(&program, &kernel, job.pair.log_level);
    // What is unresolved was not seen as the kernel would see it. A fault of structure counts all the
    // same, unless it is that of a map that nobody named.
    let is_structural = match &judgement.verdict {
        Verdict::Reject(fault) => fault.finding.entry().is_structural(),
        _ => false,
    };
    // The verifier itself has said what it makes of functions whose prototypes it does not have.
    let is_kfunc = |insn: &usize| program.kfuncs.iter().any(|k| k.insn as usize == *insn);
    let types = job.pair.kernel.target.is_some();
    let matters = |u: &&Unresolved| match u {
        Unresolved::MapFd { .. } => true,
        Unresolved::Symbol { insn, .. } if !types && program.insns[*insn].code == CALL && is_kfunc(insn) => {
            false
        }
        _ => !is_structural,
    };
    let Some(first) = unresolved.iter().find(matters) else {
        return judged(job, &program, judgement, log, start.elapsed());
    };
    judgement.verdict = Verdict::Unknown(Feature::KernelTypes);
    Finding { message: first.to_string(), ..judged(job, &program, judgement, log, start.elapsed()) }
}

/// A member of a structure of callbacks, by its number.
fn callback(target: &CoreTarget, ops: &str, member: &str) -> Option<(TypeId, u32)> {
    let parts = (0..target.modules().count()).map(Some);
    for module in std::iter::once(None).chain(parts) {
        let (btf, id) = match module {
            None => (target.vmlinux(), target.find(ops, Kind::Struct)),
            Some(n) => (target.modules().nth(n)?, target.find_in_module(n, ops, Kind::Struct)),
        };
        let Some(id) = id else { continue };
        let index = btf.ty(id)?.composite()?.members().position(|m| m.name == member)?;
        return Some((id, index as u32));
    }
    None
}

/// The name of a program that is instructions alone.
const RAW: &str = "program";

/// The code of call instructions.
const CALL: u8 = 0x85;

/// What a program attaches to, by the arguments.
struct Attach {
    program: String,
    target: String,
    /// The object whose program has the function.
    object: Option<(PathBuf, Input)>,
}

impl Attach {
    /// Reads PROGRAM=TARGET or PROGRAM=OBJECT:FUNCTION.
    fn parse(given: &str) -> Result<Attach, CliError> {
        let usage = || CliError::Usage(format!("--attach {given}: expected PROGRAM=TARGET"));
        let (program, target) = given.split_once('=').ok_or_else(usage)?;
        if program.is_empty() || target.is_empty() {
            return Err(usage());
        }
        let named =
            |target: &str, object| Attach { program: program.to_owned(), target: target.to_owned(), object };
        // A module's name before the colon is no file.
        match target.rsplit_once(':') {
            Some((path, function)) if path.contains('/') || path.ends_with(".o") => {
                let path = PathBuf::from(path);
                let code = input::code(&path)?;
                Ok(named(function, Some((path, code))))
            }
            _ => Ok(named(target, None)),
        }
    }

    /// The program of the other object that has the function.
    fn other(&self, options: &LoadOptions<'_>) -> Result<Option<Program>, String> {
        let Some((path, code)) = &self.object else { return Ok(None) };
        let place = path.display();
        let Input::Object(object) = code else {
            return Err(format!("{place}: only objects have functions to attach to"));
        };
        let prepared = object.prepare(options).map_err(|e| format!("{place}: {e}"))?;
        for (entry, _) in object.programs() {
            let Ok(loaded) = prepared.program(entry) else { continue };
            let program = loaded.program;
            let name = |f: &FuncInfo| program.btf.as_ref()?.ty(f.type_id).map(|t| t.name());
            if program.funcs.iter().any(|f| name(f) == Some(&self.target)) {
                return Ok(Some(program));
            }
        }
        Err(format!("{place}: no program has a function {}", self.target))
    }
}

fn finding(job: &Job<'_>, program: &str, section: &str, duration: Duration) -> Finding {
    Finding {
        file: job.pair.file.display().to_string(),
        program: program.to_owned(),
        section: section.to_owned(),
        prog_type: None,
        kernel: job.pair.kernel.name.clone(),
        verdict: VerdictKind::Unknown,
        errno: None,
        message: String::new(),
        code: None,
        insn: None,
        source: None,
        exact: oxbpf_verifier::counts_are_exact(job.pair.kernel.model.version()),
        insns: 0,
        total_states: 0,
        peak_states: 0,
        max_states_per_insn: 0,
        stack_depth: 0,
        size: 0,
        log: None,
        duration,
    }
}

fn judged(
    job: &Job<'_>,
    program: &Program,
    judgement: Judgement,
    log: String,
    duration: Duration,
) -> Finding {
    let stats = judgement.stats;
    let mut f = Finding {
        prog_type: program.prog_type.map(|t| t.name().to_owned()),
        insns: stats.insns,
        total_states: stats.total_states,
        peak_states: stats.peak_states,
        max_states_per_insn: stats.max_states_per_insn,
        stack_depth: stats.stack_depth,
        size: program.insns.len(),
        log: (job.pair.log_level > 0).then_some(log),
        ..finding(job, &program.name, &program.section, duration)
    };
    match judgement.verdict {
        Verdict::Accept => {
            f.verdict = VerdictKind::Accept;
            f.errno = Some(0);
        }
        Verdict::Reject(fault) => {
            let entry = fault.finding.entry();
            f.verdict = VerdictKind::Reject;
            f.errno = Some(fault.errno());
            f.code = Some(entry.code);
            f.message = fault.to_string();
            if f.message.is_empty() {
                f.message = entry.title.to_owned();
            }
            f.insn = fault.insn;
            f.source = fault.insn.and_then(|i| source(program, i));
        }
        Verdict::Unknown(feature) => {
            let hint = match feature {
                Feature::KernelTypes if job.pair.kernel.target.is_none() => ": give them with --btf FILE",
                Feature::KernelTypes if program.attach_target.as_ref().is_some_and(|t| t.contains(':')) => {
                    ": those of the module are wanted too, --btf FILE adds them"
                }
                Feature::AssumedPrototypes => "; --btf FILE gives them",
                Feature::Target if program.prog_type == Some(ProgType::Ext) => {
                    ": name it with --attach PROGRAM=OBJECT:FUNCTION"
                }
                _ => "",
            };
            f.message = match &judgement.detail {
                Some(detail) => format!("{feature}: {detail}{hint}"),
                None => format!("{feature}{hint}"),
            };
        }
    }
    f
}

/// A program that a loader would not even hand to the kernel.
fn refused(job: &Job<'_>, object: &Object, error: &dyn fmt::Display, duration: Duration) -> Finding {
    let function = &object.functions()[job.entry];
    Finding {
        verdict: VerdictKind::Reject,
        message: format!("not loadable: {error}"),
        ..finding(job, &function.name, object.section_of(function), duration)
    }
}

fn source(program: &Program, insn: usize) -> Option<Source> {
    let (line, btf) = (program.line_of(insn)?, program.btf.as_ref()?);
    let text = |offset| btf.str_bytes(offset).map(|b| String::from_utf8_lossy(b).trim().to_owned());
    Some(Source {
        file: text(line.file_name)?,
        line: line.line(),
        column: line.column(),
        text: text(line.line_text)?,
    })
}
