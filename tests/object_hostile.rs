//! Damaged objects: whatever the bytes, there is an object or an error, soon and within memory.
#![cfg(feature = "elf")]

use oxbpf::isa::btf::core::CoreTarget;
use oxbpf::isa::kernel::{KernelModel, KernelVersion};
use oxbpf::object::{Input, Kconfig, LoadOptions, Object};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/objects").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

static OBJECTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let names =
        ["maps", "maps-big", "calls", "externs", "struct_ops", "arena", "legacy", "text", "kernel", "trace"];
    names.iter().map(|n| read(&format!("{n}.bpf.o"))).collect()
});

static TARGET: LazyLock<CoreTarget> = LazyLock::new(|| {
    let kernel = Object::parse(read("kernel.bpf.o"), "kernel").unwrap();
    CoreTarget::new(kernel.btf().unwrap().clone())
});

/// Opens the bytes and prepares every program, with and without a target.
fn exercise(bytes: &[u8]) {
    let Ok(Input::Object(object)) = Input::parse(bytes, "damaged") else { return };
    let model = KernelModel::at(KernelVersion::new(6, 18));
    let config = Kconfig::parse("CONFIG_HZ=100\n").unwrap();
    let addresses = BTreeMap::from([("some_address".to_owned(), 1)]);
    let full = LoadOptions {
        target: Some(&TARGET),
        kernel: model.as_ref(),
        config: Some(&config),
        addresses: Some(&addresses),
        ..LoadOptions::default()
    };
    for options in [LoadOptions::default(), full] {
        match object.prepare(&options) {
            Ok(prepared) => {
                for (_, program) in prepared.programs() {
                    match program {
                        Ok(loaded) => assert!(loaded.program.insns.len() <= 1_000_000),
                        Err(e) => assert!(!e.to_string().is_empty()),
                    }
                }
            }
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
}

#[test]
fn whole_objects_are_exercised() {
    for object in OBJECTS.iter() {
        assert!(matches!(Input::parse(object, "whole"), Ok(Input::Object(_))));
        exercise(object);
    }
}

#[test]
fn cut_objects_are_errors() {
    for object in OBJECTS.iter() {
        for len in 0..object.len() {
            exercise(&object[..len]);
        }
    }
}

#[test]
fn every_byte_may_be_wrong() {
    for object in OBJECTS.iter() {
        let mut bytes = object.clone();
        for at in 0..bytes.len() {
            let original = bytes[at];
            for new in [0xff, original ^ 1] {
                bytes[at] = new;
                exercise(&bytes);
            }
            bytes[at] = original;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn several_words_may_be_wrong(
        which in 0usize..10,
        changes in prop::collection::vec((any::<u32>(), any::<u32>(), 0u8..3), 1..12),
    ) {
        let mut bytes = OBJECTS[which].clone();
        for (at, value, width) in changes {
            let width = 1usize << width;
            let at = at as usize % (bytes.len() - width);
            let value = match value % 4 {
                0 => value,
                1 => value % 64,
                2 => value % bytes.len() as u32,
                _ => u32::MAX - value % 16,
            };
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        exercise(&bytes);
    }

    #[test]
    fn text_and_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[0-9a-fx ,|:\n{};#-]{0,200}") {
        exercise(&bytes);
        let _ = Input::parse(&bytes, "bytes");
        let _ = Input::parse(text.as_bytes(), "text");
    }
}
