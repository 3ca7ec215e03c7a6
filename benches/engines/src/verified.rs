//! The workloads as XDP programs that a verifier accepts, proved here and run on the proof, beside the
//! running kernel where it may be asked.

use crate::compute::program;
use crate::data::{self, Buffer};
use crate::engines::own::{self, Way};
use crate::kernel;
use crate::measure::{Subject, Work, measure};
use crate::native::Native;
use crate::table::Table;
use crate::{Options, workloads};
use oxbpf::isa::kernel::KernelModel;
use oxbpf::isa::program::{MapDef, Program};
use oxbpf::jit::OptLevel;
use oxbpf::vm::{Context, ContextLayout, Instance, Linker, Packet};
use std::sync::Arc;

/// What native code is given in place of `struct xdp_md`.
#[repr(C)]
struct XdpMd {
    data: u64,
    data_end: u64,
}

/// The packet that all get.
fn packet() -> Vec<u8> {
    data::input("filter")
}

/// The program with its memory filled, as long as the program's map is.
pub fn filled(name: &str) -> Result<(Program, Vec<u8>), String> {
    let mut program = program(&workloads().join(format!("verified/{name}.bpf.o")))?;
    let memory = program.maps.iter_mut().find(|m| m.name.ends_with(".mem"));
    let Some(memory) = memory else { return Ok((program, Vec::new())) };
    let size = memory.value_size as usize;
    let mut bytes = data::input(name);
    if name == "table" {
        // Keys, then slots.
        bytes = data::input("hash");
    }
    bytes.resize(size, 0);
    *memory = Arc::new(MapDef { data: Some(bytes.as_slice().into()), ..(**memory).clone() });
    Ok((program, bytes))
}

/// The program linked this way.
pub fn linked(program: &Program, way: Way, cpus: u32) -> Result<Instance<()>, String> {
    let mut linker: Linker<()> = Linker::new(&way.engine_of(OptLevel::Full, cpus));
    if !way.proven {
        return linker.instantiate(program).map_err(|e| e.to_string());
    }
    let verified = oxbpf_verifier::prove(program, &KernelModel::latest(), cpus).map_err(|e| e.to_string())?;
    linker.instantiate_verified(&verified).map_err(|e| e.to_string())
}

fn on_packet(instance: Instance<()>) -> Work<'static> {
    let mut context = Context::new(ContextLayout::xdp_md());
    let mut packet = Packet::new(&packet());
    let mut runner = instance.runner();
    Box::new(move |count| {
        let mut last = 0;
        for _ in 0..count {
            last = runner.run_packet(&mut (), &mut context, &mut packet).map_err(|e| e.to_string())?.ret;
        }
        Ok(u64::from(last as u32))
    })
}

fn native_work<'a>(native: &'a Native, memory: &[u8], packet: &'a mut Buffer) -> Result<Work<'a>, String> {
    if let Some(at) = native.data(c"mem") {
        // SAFETY: the object defines `mem` with the size of the map, and nobody else uses it.
        unsafe { std::ptr::copy_nonoverlapping(memory.as_ptr(), at, memory.len()) };
    }
    let prog = native.function(c"prog").ok_or("there is no prog")?;
    let start = packet.at() as u64;
    let mut context = XdpMd { data: start, data_end: start + packet.len() as u64 };
    Ok(Box::new(move |count| {
        let mut last = 0;
        for _ in 0..count {
            // SAFETY: `prog` takes the context, and stays in its memory and the packet.
            last = unsafe { prog((&raw mut context).cast(), 0) };
        }
        Ok(u64::from(last as u32))
    }))
}

pub fn run(options: &Options) -> Result<(), String> {
    let wanted = |name: &str| options.engines.is_empty() || options.engines.iter().any(|e| name.contains(e));
    let kernel = kernel::Kernel::open();
    let mut table: Option<Table> = None;
    for name in data::COMPUTE {
        if !options.only.is_empty() && !options.only.iter().any(|o| name.contains(o.as_str())) {
            continue;
        }
        let (program, memory) = filled(name)?;
        let native = Native::build(&workloads().join(format!("verified/{name}.c")), &[]);
        let mut packet_bytes = Buffer::of(&packet());
        let work = native.as_ref().map_err(Clone::clone);
        let work = work.and_then(|n| native_work(n, &memory, &mut packet_bytes));
        let mut subjects = vec![Subject { engine: "native", work }];
        let expected = match &mut subjects[0].work {
            Ok(work) => Some(work(1)?),
            Err(_) => None,
        };
        for way in own::WAYS.into_iter().filter(|w| wanted(w.name)) {
            subjects.push(Subject { engine: way.name, work: linked(&program, way, 1).map(on_packet) });
        }
        if wanted("kernel") {
            let bytes = packet();
            let work = kernel.as_ref().map_err(Clone::clone).and_then(|k| k.work(&program, bytes));
            subjects.push(Subject { engine: "kernel", work });
        }
        let columns = subjects.iter().map(|s| s.engine).collect();
        let times = measure(&mut subjects, expected, options.rounds);
        table.get_or_insert_with(|| Table::new(columns)).row(name, times);
    }
    if let Some(table) = table {
        table.print("Verified forms: native in nanoseconds, the others relative to it", &["copy"]);
    }
    Ok(())
}
