//! The cases are held against running the filter: every system call is in exactly one exact case,
//! and that case has its verdict.

use super::*;
use crate::cbpf::{Op, SockFilter, text};
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

fn filter(source: &str) -> Filter {
    Filter::check(&text::parse(source).unwrap().program, Dialect::Seccomp).unwrap()
}

fn analysis(source: &str) -> Analysis {
    analyze(&filter(source), Limits::default()).unwrap()
}

/// Programs of the shape filters have, with small constants so that conditions meet.
fn program(with_index: bool) -> impl Strategy<Value = Vec<SockFilter>> {
    let usable = move |op: &Op| match op {
        Op::LdMem | Op::LdxMem => false,
        Op::Ja | Op::RetK | Op::RetA => true,
        op => op.in_seccomp() && (with_index || op.code() & 8 == 0 || op.code() & 7 < 4),
    };
    let ops: Vec<Op> = Op::ALL.iter().copied().filter(usable).collect();
    let k = prop_oneof![0..8u32, Just(0xffu32), Just(0x8000_0000), Just(0x7fff_0000), any::<u32>()];
    let row = (prop::sample::select(ops), 0..5u8, 0..5u8, k);
    prop::collection::vec(row, 1..24).prop_map(|rows| {
        let len = rows.len();
        let legal = |(at, (op, jt, jf, k)): (usize, (Op, u8, u8, u32))| {
            let left = (len - at - 1) as u8;
            let inside = |skip: u8| skip % left.max(1);
            match op {
                _ if left == 0 => SockFilter::stmt(Op::RetA.code(), 0),
                Op::LdAbsW => SockFilter::stmt(op.code(), k % 6 * 4),
                Op::Ja => SockFilter::stmt(op.code(), inside(jt).into()),
                Op::LshK | Op::RshK => SockFilter::stmt(op.code(), k % 32),
                Op::DivK => SockFilter::stmt(op.code(), k.max(1)),
                Op::St | Op::Stx => SockFilter::stmt(op.code(), k % 16),
                op => SockFilter::new(op.code(), inside(jt), inside(jf), k),
            }
        };
        rows.into_iter().enumerate().map(legal).collect()
    })
}

fn data() -> impl Strategy<Value = SeccompData> {
    let word = || prop_oneof![0..9u32, Just(0xffu32), Just(0x8000_0000), any::<u32>()];
    (word(), word(), word(), word(), word(), word()).prop_map(|(nr, arch, a, b, c, d)| SeccompData {
        nr: nr.cast_signed(),
        arch,
        instruction_pointer: u64::from(a) << 32 | u64::from(b),
        args: [u64::from(c) << 32 | u64::from(d), 0, 0, 0, 0, 0],
    })
}

fn agrees(outcome: Outcome, verdict: u32) -> bool {
    match outcome {
        Outcome::Fixed(value) => value.encode() == verdict,
        Outcome::Action(action) => action == Return::decode(verdict).action,
        Outcome::Unknown => true,
    }
}

fn hold(program: &[SockFilter], calls: &[SeccompData], limits: Limits) -> Result<(), TestCaseError> {
    let filter = Filter::check(program, Dialect::Seccomp).unwrap();
    let found = analyze(&filter, limits).unwrap();
    // A word of each case is tried as well: random calls seldom reach narrow cases.
    let of_case = |path: &Path| {
        let word = |index: u8| path.word(index).first().unwrap();
        let pair = |low: u8, high: u8| u64::from(word(high)) << 32 | u64::from(word(low));
        let arch = word(1);
        let (low, high) = if arch & 0x4000_0000 != 0 { (0, 1) } else { (1, 0) };
        SeccompData {
            nr: word(0).cast_signed(),
            arch,
            instruction_pointer: pair(2 + low, 2 + high),
            args: core::array::from_fn(|i| pair(4 + 2 * i as u8 + low, 4 + 2 * i as u8 + high)),
        }
    };
    for call in calls.iter().copied().chain(found.paths.iter().map(of_case)) {
        let verdict = filter.run_seccomp(&call).unwrap();
        let cases: Vec<&Path> = found.paths.iter().filter(|path| path.admits(&call)).collect();
        prop_assert!(cases.iter().any(|path| agrees(path.outcome, verdict)), "{:?} {:#x}", call, verdict);
        let mut exact = cases.iter().filter(|path| path.exact);
        if let Some(path) = exact.next() {
            prop_assert!(agrees(path.outcome, verdict), "{:?} {:?} {:#x}", path, call, verdict);
            prop_assert!(exact.next().is_none(), "{:?}", cases);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn cases_are_what_running_gives(program in program(false), calls in prop::collection::vec(data(), 40)) {
        hold(&program, &calls, Limits::default())?;
    }

    #[test]
    fn cases_cover_even_what_is_not_modelled(program in program(true), calls in prop::collection::vec(data(), 40)) {
        hold(&program, &calls, Limits::default())?;
    }

    #[test]
    fn cases_cover_when_a_limit_is_hit(program in program(true), calls in prop::collection::vec(data(), 20), steps in 1..12usize) {
        hold(&program, &calls, Limits { steps, ..Limits::default() })?;
    }
}

const SANDBOX: &str = "
    ld [4]
    jeq #0xc000003e, native
    ret #0x80000000
native:
    ld [0]
    jge #0x40000000, deny       ; x32
    jeq #0, allow               ; read
    jeq #1, allow               ; write
    jeq #56, clone
    jne #59, deny               ; execve
    ld [16]
    jset #1, deny
    ld [20]
    jeq #0, allow, deny
clone:
    ld [16]
    and #0x7e020000
    jeq #0, allow
deny:
    ret #0x00050001
allow:
    ret #0x7fff0000";

#[test]
fn a_sandbox_is_read_back() {
    let found = analysis(SANDBOX);
    assert!(found.is_complete());
    let allowed = found.syscalls(Arch::X86_64, |outcome| outcome.action() == Some(Action::Allow));
    let names: Vec<_> = allowed.iter().map(|(syscall, _)| syscall.name).collect();
    assert_eq!(names, ["read", "write", "clone", "execve"]);
    let conditions = |at: usize| -> Vec<(u8, alloc::string::String)> {
        assert_eq!(allowed[at].1.len(), 1);
        allowed[at].1[0].words.iter().map(|(&index, set)| (index, set.to_string())).collect()
    };
    assert_eq!(conditions(0), []);
    assert_eq!(conditions(2), [(4, "& 0x7e020000 == 0x0".to_string())]);
    assert_eq!(conditions(3), [(4, "& 0x1 == 0x0".to_string()), (5, "== 0x0".to_string())]);
    let elsewhere = found.syscalls(Arch::Aarch64, |outcome| outcome.action() == Some(Action::Allow));
    assert!(elsewhere.is_empty());
    let x32 = found.syscall(Arch::X32, Arch::X32.by_name("read").unwrap().nr);
    assert_eq!(x32.len(), 1);
    assert_eq!(x32[0].outcome, Outcome::Fixed(Return { action: Action::Errno, data: 1 }));
}

/// Two hundred comparisons in a row end in two cases.
#[test]
fn long_lists_join() {
    let mut source = "ld [0]\n".to_string();
    for nr in 0..200 {
        source += &alloc::format!("jeq #{}, allow\n", 3 * nr);
    }
    source += "ret #0\nallow: ret #0x7fff0000";
    let found = analysis(&source);
    assert_eq!(found.paths.len(), 2);
    assert_eq!(found.paths.iter().map(|path| path.word(0).count()).sum::<u64>(), 1 << 32);
    assert_eq!(found.syscalls(Arch::X86_64, |o| o.action() == Some(Action::Allow)).len(), 128);
}

#[test]
fn what_is_not_modelled_is_not_exact() {
    let found = analysis("ld [0]\ntax\nld [4]\njeq x, same\nret #0\nsame: ret #0x7fff0000");
    assert!(!found.is_complete());
    assert!(found.paths.iter().all(|path| !path.exact));
    assert_eq!(found.paths.len(), 2);
}

#[test]
fn a_computed_verdict_is_split_by_action() {
    // The low byte of the number becomes the error number.
    let found = analysis("ld [0]\nand #0xff\nor #0x50000\nret a");
    assert_eq!(found.paths.len(), 1);
    assert_eq!(found.paths[0].outcome, Outcome::Action(Action::Errno));
    assert!(found.is_complete());
}
