//! The running kernel: the same bytecode, loaded and test-run through bpf(2).

use crate::measure::Work;
use oxbpf::isa::program::Program;

/// The kernel, if it may be asked.
#[cfg(all(feature = "kernel", target_os = "linux"))]
pub struct Kernel(oxbpf_conformance::oracle::Oracle);

#[cfg(all(feature = "kernel", target_os = "linux"))]
impl Kernel {
    /// # Errors
    /// Why it may not.
    pub fn open() -> Result<Kernel, String> {
        oxbpf_conformance::oracle::Oracle::open().map(Kernel).map_err(|skip| skip.0)
    }

    /// Loads a program; its runs, of which the kernel measures the time itself.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn work(&self, program: &Program, packet: Vec<u8>) -> Result<Work<'static>, String> {
        let (answer, loaded) = self.0.load(program, 0).map_err(|e| e.to_string())?;
        let loaded = loaded.ok_or_else(|| format!("refused with errno {}", answer.errno))?;
        Ok(Box::new(move |count| {
            let result = loaded.test_run_repeat(&packet, &[], count).map_err(|e| e.to_string())?;
            Ok(u64::from(result.retval))
        }))
    }
}

#[cfg(not(all(feature = "kernel", target_os = "linux")))]
pub struct Kernel;

#[cfg(not(all(feature = "kernel", target_os = "linux")))]
impl Kernel {
    pub fn open() -> Result<Kernel, String> {
        Err("built without the feature `kernel`".to_owned())
    }

    pub fn work(&self, _: &Program, _: Vec<u8>) -> Result<Work<'static>, String> {
        Err("built without the feature `kernel`".to_owned())
    }
}
