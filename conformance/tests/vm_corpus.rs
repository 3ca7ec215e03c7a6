//! Every program of the corpus in the virtual machine's checked mode: it links, or says what is
//! missing, and a run ends in a value or a trap.

use oxbpf::isa::kernel::ProgType;
use oxbpf::object::{LoadOptions, Object};
use oxbpf::vm::{Config, Context, ContextLayout, Engine, Input, LinkError, Linker, Packet};
use oxbpf_conformance::corpus;
use std::collections::BTreeMap;

#[test]
fn corpus_programs_link_and_run() {
    let Some(objects) = corpus::objects() else { return };
    let target = corpus::core_target("6.18");
    let options = LoadOptions { target: target.as_ref(), ..LoadOptions::default() };
    let engine = Engine::new(Config::new().budget(200_000));
    let (mut linked, mut ended, mut trapped) = (0, 0, 0);
    let mut missing: BTreeMap<String, usize> = BTreeMap::new();
    for (name, path) in &objects {
        let bytes = std::fs::read(path).unwrap();
        let Ok(object) = Object::parse(bytes, name) else { continue };
        let mut linker: Linker<()> = Linker::new(&engine);
        for (entry, _) in object.programs() {
            let Ok(loaded) = object.load(entry, &options) else { continue };
            let program = loaded.program;
            let instance = match linker.instantiate(&program) {
                Ok(instance) => instance,
                Err(error) => {
                    *missing.entry(reason(&error)).or_default() += 1;
                    continue;
                }
            };
            linked += 1;
            let layout = match program.prog_type {
                Some(ProgType::Xdp) => ContextLayout::xdp_md(),
                Some(ProgType::SchedCls | ProgType::SocketFilter | ProgType::CgroupSkb) => {
                    ContextLayout::sk_buff()
                }
                _ => ContextLayout::plain(256),
            };
            let mut context = Context::new(layout);
            let mut packet = Packet::new(&[0; 64]);
            match instance.run(&mut (), Input::context(&mut context).packet(&mut packet)) {
                Ok(_) => ended += 1,
                Err(_) => trapped += 1,
            }
        }
    }
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let refused: usize = missing.iter().map(|(_, count)| count).sum();
    println!("{linked} linked, {ended} ended, {trapped} trapped, {refused} refused");
    for (what, count) in missing.iter().take(40) {
        println!("{count:5} {what}");
    }
    assert!(linked > refused, "{linked} linked, {refused} refused");
}

/// The error without its place.
fn reason(error: &LinkError) -> String {
    match error {
        LinkError::UnknownHelper { id, name, .. } => format!("helper {id} {}", name.unwrap_or("")),
        LinkError::UnknownKfunc { name, .. } => format!("kfunc {name}"),
        LinkError::Map { error, .. } => format!("map: {error}"),
        LinkError::MapData { errno, .. } => format!("map data: {errno}"),
        LinkError::Unsupported { what, .. } => format!("unsupported: {what}"),
        LinkError::KernelVariable { .. } => "kernel variable".to_owned(),
        other => other.to_string(),
    }
}
