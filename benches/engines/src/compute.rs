//! The eleven compute workloads: a function of memory and its length.
//!
//! Their loops depend on data, so no verifier bounds them; proven mode runs them because they are
//! vouched for here: each stays in the memory it is given.

use crate::data::{self, Buffer};
use crate::engines::{Shared, own, rbpf, sbpf};
use crate::measure::{Measured, Subject, Work, measure};
use crate::native::Native;
use crate::table::Table;
use crate::{Options, workloads};
use oxbpf::isa::insn::ByteOrder;
use oxbpf::isa::program::Program;
use oxbpf::object::{LoadOptions, Object};

/// The program in an object of the workloads.
///
/// # Errors
/// When there is none, or it does not load.
pub fn program(path: &std::path::Path) -> Result<Program, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let object = Object::parse(bytes, &name).map_err(|e| format!("{name}: {e}"))?;
    let (entry, _) = object.programs().next().ok_or_else(|| format!("{name}: no program"))?;
    let loaded = object.load(entry, &LoadOptions::default()).map_err(|e| format!("{name}: {e}"))?;
    Ok(loaded.program)
}

/// Its instructions as bytes.
pub fn bytes_of(program: &Program) -> Vec<u8> {
    program.insns.iter().flat_map(|i| i.to_bytes(ByteOrder::Little)).collect()
}

/// Runs native code on memory.
pub fn native_work(native: &Result<Native, String>, memory: Shared) -> Result<Work<'_>, String> {
    let native = native.as_ref().map_err(Clone::clone)?;
    let entry = native.function(c"entry").ok_or("there is no entry")?;
    Ok(Box::new(move |count| {
        let mut last = 0;
        for _ in 0..count {
            // SAFETY: the workload stays in its memory, which nobody else uses now.
            last = unsafe { entry(memory.at, memory.len as u64) };
        }
        Ok(last)
    }))
}

pub fn run(options: &Options) -> Result<(), String> {
    let wanted = |name: &str| options.engines.is_empty() || options.engines.iter().any(|e| name.contains(e));
    let mut table: Option<Table> = None;
    let mut interpreted = Vec::new();
    for name in data::COMPUTE {
        if !options.only.is_empty() && !options.only.iter().any(|o| name.contains(o.as_str())) {
            continue;
        }
        let program = program(&workloads().join(format!("{name}.bpf.o")))?;
        let code = bytes_of(&program);
        let native = Native::build(&workloads().join(format!("{name}.c")), &[]);
        let mut buffer = Buffer::of(&data::input(name));
        let memory = Shared { at: buffer.at(), len: buffer.len() };
        let with_length = rbpf::with_length(&code, memory.len);
        let mut subjects = vec![Subject { engine: "native", work: native_work(&native, memory) }];
        let expected = match &mut subjects[0].work {
            Ok(work) => Some(work(1)?),
            Err(_) => None,
        };
        for way in own::WAYS.into_iter().filter(|w| wanted(w.name)) {
            // SAFETY: the workloads stay in the memory they are given.
            let work = unsafe { own::instance(&program, way) }.map(|i| own::on_memory(i, memory));
            subjects.push(Subject { engine: way.name, work });
        }
        for (engine, way) in rbpf::WAYS.into_iter().filter(|w| wanted(w.0)) {
            subjects.push(Subject { engine, work: rbpf::on_memory(&with_length, way, memory) });
        }
        for (engine, compile) in sbpf::WAYS.into_iter().filter(|w| wanted(w.0)) {
            subjects.push(Subject { engine, work: sbpf::on_memory(&code, compile, memory) });
        }
        let columns: Vec<&'static str> = subjects.iter().map(|s| s.engine).collect();
        let times = measure(&mut subjects, expected, options.rounds);
        let executed = own::executed(&program, memory)? as f64;
        let of_interpreters = columns.iter().zip(&times).filter(|(engine, _)| engine.contains("int"));
        let rates: Vec<(&str, Measured)> =
            of_interpreters.map(|(&engine, time)| (engine, time.clone().map(|t| t / executed))).collect();
        interpreted.push((name, rates));
        table.get_or_insert_with(|| Table::new(columns)).row(name, times);
    }
    if let Some(table) = table {
        table.print("Compute workloads: native in nanoseconds, the others relative to it", &["copy"]);
    }
    print_rates(&interpreted);
    Ok(())
}

/// Nanoseconds for an executed instruction, by workload and interpreter.
fn print_rates(rows: &[(&str, Vec<(&str, Measured)>)]) {
    let Some((_, first)) = rows.first().filter(|(_, rates)| !rates.is_empty()) else { return };
    println!("\nInterpreters: nanoseconds for an executed instruction");
    print!("{:14}", "");
    first.iter().for_each(|(engine, _)| print!(" {engine:>13}"));
    println!();
    for (name, rates) in rows {
        print!("{name:14}");
        for (_, rate) in rates {
            match rate {
                Ok(rate) => print!(" {rate:>13.2}"),
                Err(_) => print!(" {:>13}", "-"),
            }
        }
        println!();
    }
    print!("{:14}", "mean");
    for column in 0..first.len() {
        let rates: Vec<f64> = rows.iter().filter_map(|(_, rates)| rates[column].1.clone().ok()).collect();
        match rates.len() {
            0 => print!(" {:>13}", "-"),
            n => print!(" {:>13.2}", rates.iter().sum::<f64>() / n as f64),
        }
    }
    println!();
}
