//! What cases are run on.

use super::{Case, FileTest, Found};
use oxbpf::isa::disasm::{Dialect, Exact, Kernel, Llvm, NoNames, Ubpf};
use oxbpf::isa::insn::ByteOrder;
use oxbpf::isa::kernel::KernelModel;
use oxbpf::isa::program::Program;
use oxbpf_verifier::{Verdict, verify};

/// Something that runs cases.
pub trait Engine {
    /// The name in test names.
    fn name(&self) -> &'static str;

    /// The test command it answers to.
    fn kind(&self) -> &'static str;

    /// Runs a case.
    ///
    /// # Errors
    /// Why the case cannot be run at all.
    fn run(&self, test: &FileTest, case: &Case) -> Result<Found, String>;
}

/// Every engine.
pub fn engines() -> Vec<Box<dyn Engine>> {
    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(Text), Box::new(Verifier)];
    engines.extend(super::machines::machines());
    #[cfg(target_os = "linux")]
    if let Ok(oracle) = crate::oracle::Oracle::open() {
        engines.push(Box::new(RunningKernel(oracle)));
    }
    engines
}

/// The program of a case.
pub(super) fn program(case: &Case) -> Result<(Program, Vec<u32>), String> {
    let (insns, lines) = case.assemble()?;
    let mut program = Program::from_insns(case.name.clone(), insns);
    let setting = &case.setting;
    (program.prog_type, program.expected_attach_type) = (setting.prog, setting.attach);
    program.flags = setting.flags;
    program.license.clone_from(&setting.license);
    program.maps.clone_from(&setting.maps);
    Ok((program, lines))
}

/// Writes each instruction in the dialects that its line expects, and as bytes.
struct Text;

impl Engine for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn kind(&self) -> &'static str {
        "asm"
    }

    fn run(&self, _test: &FileTest, case: &Case) -> Result<Found, String> {
        let (slots, lines) = case.assemble()?;
        let mut found = Found::default();
        let dialects: [(&dyn Dialect, &str); 3] =
            [(&Exact(Kernel), "kernel"), (&Exact(Llvm), "llvm"), (&Ubpf, "ubpf")];
        let mut at = 0;
        while at < slots.len() {
            let mut taken = 1;
            for (dialect, name) in dialects {
                let mut text = String::new();
                taken = dialect.any(&mut text, at, &slots[at..], &NoNames).unwrap_or(1);
                found.lines.push((lines[at], format!("{name}: {text}")));
            }
            let bytes: Vec<String> =
                slots[at..at + taken].iter().map(|s| hex(&s.to_bytes(ByteOrder::Little))).collect();
            found.lines.push((lines[at], format!("bytes: {}", bytes.join(" "))));
            at += taken;
        }
        Ok(found)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Judges the program of a case.
struct Verifier;

impl Engine for Verifier {
    fn name(&self) -> &'static str {
        "verifier"
    }

    fn kind(&self) -> &'static str {
        "verify"
    }

    fn run(&self, test: &FileTest, case: &Case) -> Result<Found, String> {
        let (program, lines) = program(case)?;
        let model = match test.kernels.first() {
            Some(version) => KernelModel::at(*version).ok_or(format!("no kernel {version}"))?,
            None => KernelModel::latest(),
        };
        let mut found = Found::default();
        match verify(&program, &oxbpf_verifier::Kernel::new(&model)).verdict {
            Verdict::Accept => found.whole.push("accept".to_owned()),
            Verdict::Unknown(feature) => found.whole.push(format!("unknown: {}", feature.name())),
            Verdict::Reject(fault) => {
                let text = format!("error[{}]: {fault}", fault.finding.entry().code).trim_end().to_owned();
                match fault.insn {
                    Some(insn) => found.lines.push((lines[insn], text)),
                    None => found.whole.push(text),
                }
            }
        }
        Ok(found)
    }
}

/// The running kernel judges; only what it says is compared, not where, since its log tells no place
/// before it walks.
#[cfg(target_os = "linux")]
struct RunningKernel(crate::oracle::Oracle);

#[cfg(target_os = "linux")]
impl Engine for RunningKernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn kind(&self) -> &'static str {
        "verify"
    }

    fn run(&self, test: &FileTest, case: &Case) -> Result<Found, String> {
        let expected = Found {
            lines: case.on_lines.clone(),
            whole: case.whole.iter().map(|(_, text)| text.clone()).collect(),
        };
        // What other versions say is theirs to be asked.
        let here = crate::oracle::running_model().map(|model| model.version());
        if test.kernels.first().is_some_and(|version| here.as_ref().ok() != Some(version)) {
            return Ok(expected);
        }
        let (mut program, _) = program(case)?;
        program.name = "filetest".to_owned();
        if program.maps.is_empty() && program.insns.iter().any(|i| i.is_ldimm64() && matches!(i.src, 1 | 2)) {
            // Without a map the descriptor in the instruction would be one of this process.
            return Ok(expected);
        }
        let (answer, _) = self.0.load(&program, 1).map_err(|e| e.to_string())?;
        let says = |text: &str| text.split_once("]:").map(|(_, message)| message.trim().to_owned());
        let message = expected.lines.iter().map(|l| &l.1).chain(&expected.whole).find_map(|t| says(t));
        let agrees = match &message {
            Some(message) => {
                answer.errno != 0 && (message.is_empty() || answer.log.contains(message.as_str()))
            }
            None if expected.whole.iter().any(|w| w.starts_with("unknown:")) => true,
            None => answer.errno == 0,
        };
        match agrees {
            true => Ok(expected),
            false => Err(format!("the running kernel says (errno {}):\n{}", answer.errno, answer.log)),
        }
    }
}
