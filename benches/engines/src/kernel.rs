//! The running kernel: the same bytecode, loaded and test-run through bpf(2).

use crate::measure::Work;
#[cfg(all(feature = "kernel", target_os = "linux"))]
use oxbpf::isa::kernel::MapType;
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
        let Loaded(loaded) = self.load(program)?;
        Ok(Box::new(move |count| {
            let result = loaded.test_run_repeat(&packet, &[], count).map_err(|e| e.to_string())?;
            Ok(u64::from(result.retval))
        }))
    }
}

/// A program in the kernel.
#[cfg(all(feature = "kernel", target_os = "linux"))]
pub struct Loaded(oxbpf_conformance::oracle::LoadedProgram);

#[cfg(all(feature = "kernel", target_os = "linux"))]
impl Kernel {
    /// Loads a program; where it has an array of programs, it is all of them.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn load(&self, program: &Program) -> Result<Loaded, String> {
        let (answer, loaded) = self.0.load(program, 0).map_err(|e| e.to_string())?;
        let loaded = loaded.ok_or_else(|| format!("refused with errno {}", answer.errno))?;
        let arrays = program.maps.iter().enumerate().filter(|(_, m)| m.kind() == Some(MapType::ProgArray));
        for (map, index) in arrays.flat_map(|(map, def)| (0..def.max_entries).map(move |index| (map, index)))
        {
            loaded.insert_into(map, index).map_err(|e| e.to_string())?;
        }
        Ok(Loaded(loaded))
    }
}

#[cfg(all(feature = "kernel", target_os = "linux"))]
impl Loaded {
    /// Nanoseconds of a run, as the kernel measures so many.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn time(&self, packet: &[u8], count: u32) -> Result<f64, String> {
        self.0.time(packet, count).map(|time| time.as_nanos() as f64).map_err(|e| e.to_string())
    }
}

#[cfg(not(all(feature = "kernel", target_os = "linux")))]
pub struct Loaded;

#[cfg(not(all(feature = "kernel", target_os = "linux")))]
impl Loaded {
    pub fn time(&self, _: &[u8], _: u32) -> Result<f64, String> {
        Err("built without the feature `kernel`".to_owned())
    }
}

#[cfg(not(all(feature = "kernel", target_os = "linux")))]
pub struct Kernel;

#[cfg(not(all(feature = "kernel", target_os = "linux")))]
impl Kernel {
    pub fn open() -> Result<Kernel, String> {
        Err("built without the feature `kernel`".to_owned())
    }

    pub fn load(&self, _: &Program) -> Result<Loaded, String> {
        Err("built without the feature `kernel`".to_owned())
    }

    pub fn work(&self, _: &Program, _: Vec<u8>) -> Result<Work<'static>, String> {
        Err("built without the feature `kernel`".to_owned())
    }
}
