//! The same C as machine code: compiled by clang when the benchmark starts, and loaded.

use std::ffi::{CStr, CString, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A workload as a shared object.
pub struct Native {
    handle: *mut c_void,
}

/// The entry of a workload.
pub type Entry = unsafe extern "C" fn(*mut u8, u64) -> u64;

impl Native {
    /// Compiles and loads a workload.
    ///
    /// # Errors
    /// Why there is no native code: no compiler, or it refuses.
    pub fn build(source: &Path, flags: &[&str]) -> Result<Native, String> {
        let clang = compiler().ok_or("there is no clang; CLANG may name one")?;
        let out = Scratch::new(source);
        let result = Command::new(&clang)
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(&out.0)
            .args(flags)
            .arg(source)
            .output()
            .map_err(|e| format!("{clang}: {e}"))?;
        if !result.status.success() {
            return Err(format!("{clang}: {}", String::from_utf8_lossy(&result.stderr)));
        }
        let path = CString::new(out.0.as_os_str().as_encoded_bytes()).map_err(|e| e.to_string())?;
        // SAFETY: the object was just built from our own source and has no initialisers.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        match handle.is_null() {
            true => Err(format!("{}: cannot be loaded", out.0.display())),
            false => Ok(Native { handle }),
        }
    }

    fn symbol(&self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the handle is open.
        Some(unsafe { libc::dlsym(self.handle, name.as_ptr()) }).filter(|p| !p.is_null())
    }

    /// A function of the workload, which takes at most two arguments and gives an integer.
    pub fn function(&self, name: &CStr) -> Option<Entry> {
        let at = self.symbol(name)?;
        // SAFETY: the functions that workloads show have this signature or take fewer arguments.
        Some(unsafe { std::mem::transmute::<*mut c_void, Entry>(at) })
    }

    /// A variable of the workload.
    pub fn data(&self, name: &CStr) -> Option<*mut u8> {
        self.symbol(name).map(|at| at.cast())
    }
}

/// A file that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(source: &Path) -> Scratch {
        // The loader takes objects of the same name for the same object.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("oxbpf-bench-{}-{number}-{name}.so", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// The compiler: what `CLANG` names, or the first of the usual names.
fn compiler() -> Option<String> {
    if let Ok(name) = std::env::var("CLANG") {
        return Some(name);
    }
    let mut names = std::iter::once("clang".to_owned()).chain((15..=24).rev().map(|n| format!("clang-{n}")));
    let works = |name: &String| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    names.find(works)
}
