//! Opening a kernel's types and finding one of them. `OXBPF_BTF` names a folder with `6.18.btf`; where
//! it is unset the types of an example stand in, and the figure says nothing of a kernel.

use criterion::{Criterion, criterion_group, criterion_main};
use oxbpf::isa::btf::core::CoreTarget;
use oxbpf::isa::btf::{Btf, Kind};
use oxbpf::object::Object;
use std::hint::black_box;
use std::sync::Arc;

fn types() -> (Arc<[u8]>, &'static str) {
    if let Some(dir) = std::env::var_os("OXBPF_BTF") {
        let path = std::path::Path::new(&dir).join("6.18.btf");
        return (std::fs::read(path).expect("OXBPF_BTF has 6.18.btf").into(), "task_struct");
    }
    println!("OXBPF_BTF is not set: these are the types of an example, not a kernel's");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/xdp_proto.bpf.o");
    let object = Object::parse(std::fs::read(path).expect("the example"), "xdp_proto").expect("an object");
    (object.btf().expect("types").bytes().into(), "xdp_md")
}

fn benches(c: &mut Criterion) {
    let (bytes, name) = types();
    c.bench_function("open types and find one", |b| {
        b.iter(|| {
            let btf = Btf::parse(black_box(bytes.clone())).expect("valid types");
            btf.find(name, Kind::Struct).expect("the type is there")
        });
    });
    let btf = Arc::new(Btf::parse(bytes.clone()).expect("valid types"));
    c.bench_function("index types for CO-RE", |b| b.iter(|| CoreTarget::new(black_box(btf.clone()))));
}

criterion_group!(group, benches);
criterion_main!(group);
