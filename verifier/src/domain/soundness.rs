//! The proofs by trying everything, and the properties at full width.
//!
//! An operator is sound if every result of members is a member of the result. Tnums are tried at
//! five bits, all pairs. Ranges are tried at four bits: their two intervals do not meet in sums,
//! differences and products, so all pairs of each kind are tried alone; where they meet
//! (`exchange`) all ranges of both are tried. Scalars are tried at four bits over halves of two:
//! all that arise from any number of operations with constants and comparisons with constants,
//! and pairs of those. At 64, eight and six bits random programs of two registers are run on
//! numbers and on scalars side by side.

use alloc::vec::Vec;

use hashbrown::HashSet;
use proptest::prelude::*;

use super::range::Range;
use super::small::Small;
use super::word::{Full, Word};
use super::{Alu, Arithmetic, Cond, ScalarOf, Tnum, Width};

const ALUS: [Alu; 13] = [
    Alu::Add,
    Alu::Sub,
    Alu::Mul,
    Alu::And,
    Alu::Or,
    Alu::Xor,
    Alu::Lsh,
    Alu::Rsh,
    Alu::Arsh,
    Alu::Div,
    Alu::Mod,
    Alu::Sdiv,
    Alu::Smod,
];
const CONDS: [Cond; 11] = [
    Cond::Eq,
    Cond::Ne,
    Cond::Gt,
    Cond::Ge,
    Cond::Lt,
    Cond::Le,
    Cond::Sgt,
    Cond::Sge,
    Cond::Slt,
    Cond::Sle,
    Cond::Set,
];
/// The rules are independent of each other: one may be missing where the others are there.
const HOWS: [Arithmetic; 4] = [
    Arithmetic::LATEST,
    Arithmetic { settles_single: false, multiplies_by_union: false, ..Arithmetic::LATEST },
    Arithmetic { settles_single: true, ..Arithmetic::LEAST },
    Arithmetic::LEAST,
];
const WIDTHS: [Width; 2] = [Width::W64, Width::W32];

/// What the machine computes at one width.
fn eval_word<W: Word>(op: Alu, a: W, b: W) -> W {
    let n = (b.to_u64() % u64::from(W::BITS)) as u32;
    let (x, y) = (a.to_u64(), b.to_u64());
    let (i, j) = (a.to_i64(), b.to_i64());
    match op {
        Alu::Add => a.plus(b),
        Alu::Sub => a.minus(b),
        Alu::Mul => W::from_u64(x.wrapping_mul(y)),
        Alu::And => a & b,
        Alu::Or => a | b,
        Alu::Xor => a ^ b,
        Alu::Lsh => a.shl(n),
        Alu::Rsh => a.shr(n),
        Alu::Arsh => a.sar(n),
        Alu::Div => W::from_u64(x.checked_div(y).unwrap_or(0)),
        Alu::Mod => W::from_u64(x.checked_rem(y).unwrap_or(x)),
        Alu::Sdiv => W::from_u64(if j == 0 { 0 } else { i.wrapping_div(j) as u64 }),
        Alu::Smod => W::from_u64(if j == 0 { x } else { i.wrapping_rem(j) as u64 }),
    }
}

fn eval<F: Full>(op: Alu, width: Width, a: F, b: F) -> F {
    match width {
        Width::W64 => eval_word(op, a, b),
        Width::W32 => F::zext(eval_word(op, a.low(), b.low())),
    }
}

fn holds_word<W: Word>(cond: Cond, a: W, b: W) -> bool {
    match cond {
        Cond::Eq => a == b,
        Cond::Ne => a != b,
        Cond::Gt => a > b,
        Cond::Ge => a >= b,
        Cond::Lt => a < b,
        Cond::Le => a <= b,
        Cond::Sgt => a.to_i64() > b.to_i64(),
        Cond::Sge => a.to_i64() >= b.to_i64(),
        Cond::Slt => a.to_i64() < b.to_i64(),
        Cond::Sle => a.to_i64() <= b.to_i64(),
        Cond::Set => a & b != W::ZERO,
    }
}

fn holds<F: Full>(cond: Cond, width: Width, a: F, b: F) -> bool {
    match width {
        Width::W64 => holds_word(cond, a, b),
        Width::W32 => holds_word(cond, a.low(), b.low()),
    }
}

/// Sign extension of the low `bits` bits, as the machine does it.
fn extended<F: Full>(width: Width, bits: u32, a: F) -> F {
    let shift = 64 - bits;
    let wide = ((a.to_u64() << shift) as i64 >> shift) as u64;
    match width {
        Width::W64 => F::from_u64(wide),
        Width::W32 => F::zext(F::Half::from_u64(wide)),
    }
}

type W4 = Small<4>;
type W5 = Small<5>;

fn tnums() -> Vec<Tnum<W5>> {
    let pairs = W5::all().flat_map(|value| W5::all().map(move |mask| (value, mask)));
    pairs.filter(|&(value, mask)| value & mask == W5::ZERO).map(|(v, m)| Tnum::new(v, m)).collect()
}

fn members(tnum: Tnum<W5>) -> impl Iterator<Item = W5> + Clone {
    W5::all().filter(move |&word| tnum.contains(word))
}

fn hull(words: impl Iterator<Item = W5>) -> Option<Tnum<W5>> {
    words.map(Tnum::constant).reduce(Tnum::union)
}

#[test]
fn tnum_operators_are_sound() {
    type Abstract = fn(Tnum<W5>, Tnum<W5>) -> Tnum<W5>;
    let operators: [(Alu, Abstract); 7] = [
        (Alu::Add, Tnum::plus),
        (Alu::Sub, Tnum::minus),
        (Alu::Mul, Tnum::times),
        (Alu::Mul, Tnum::times_by_parts),
        (Alu::And, Tnum::and),
        (Alu::Or, Tnum::or),
        (Alu::Xor, Tnum::xor),
    ];
    let all = tnums();
    assert_eq!(all.len(), 243);
    for (op, operator) in operators {
        for &a in &all {
            for &b in &all {
                let result = operator(a, b);
                assert_eq!(result.value() & result.mask(), W5::ZERO);
                let mut best: Option<Tnum<W5>> = None;
                for (x, y) in members(a).flat_map(|x| members(b).map(move |y| (x, y))) {
                    let value = eval_word(op, x, y);
                    assert!(result.contains(value), "{op:?} {a:?} {b:?}: {x:?} {y:?}");
                    let value = Tnum::constant(value);
                    best = Some(best.map_or(value, |best| best.union(value)));
                }
                if op != Alu::Mul {
                    assert_eq!(best, Some(result), "{op:?} {a:?} {b:?} is not optimal");
                }
            }
        }
    }
}

#[test]
fn tnum_lattice_is_that_of_sets() {
    for a in tnums() {
        assert_eq!(hull(members(a)), Some(a));
        assert_eq!(members(a).min(), Some(a.value()));
        assert_eq!(members(a).max(), Some(a.max()));
        for b in tnums() {
            assert_eq!(a.includes(b), members(b).all(|word| a.contains(word)));
            let common = hull(members(a).filter(|&word| b.contains(word)));
            assert_eq!(a.overlaps(b), common.is_some());
            if let Some(common) = common {
                assert_eq!(a.intersect(b), common);
            }
            assert_eq!(Some(a.union(b)), hull(members(a).chain(members(b))));
        }
        for word in W5::all() {
            let next = members(a).find(|&member| member > word).unwrap_or(a.max());
            assert_eq!(a.next_member(word), next, "{a:?} {word:?}");
        }
        for n in 0..5 {
            assert_eq!(hull(members(a).map(|x| x.shl(n))), Some(a.lsh(n)));
            assert_eq!(hull(members(a).map(|x| x.shr(n))), Some(a.rsh(n)));
            assert_eq!(hull(members(a).map(|x| x.sar(n))), Some(a.arsh(n)));
            let low = W5::low_mask(n);
            assert_eq!(hull(members(a).map(|x| x & low)), Some(a.truncated(n)));
        }
        for size in [1, 2, 4, 8, 16].map(W5::from_u64) {
            let below = size.minus(W5::from_u64(1));
            assert_eq!(a.is_aligned(size), members(a).all(|x| x & below == W5::ZERO));
        }
        assert_eq!(hull(members(a).map(|x| W5::ZERO.minus(x))), Some(a.negated()));
    }
    for min in W5::all() {
        for max in W5::all().filter(|&max| max >= min) {
            assert_eq!(hull(W5::all().filter(|&x| min <= x && x <= max)), Some(Tnum::range(min, max)));
        }
    }
}

/// All ranges with one interval free and the other full.
fn ranges(signed: bool) -> Vec<Range<W4>> {
    let ends = W4::all().flat_map(|min| W4::all().map(move |max| (min, max)));
    let ordered = ends.filter(|&(min, max)| if signed { min.sle(max) } else { min <= max });
    ordered
        .map(|(min, max)| match signed {
            true => Range { smin: min, smax: max, ..Range::FULL },
            false => Range { umin: min, umax: max, ..Range::FULL },
        })
        .collect()
}

fn within(range: Range<W4>) -> impl Iterator<Item = W4> + Clone {
    W4::all().filter(move |&word| range.contains(word))
}

#[test]
fn range_operators_are_sound() {
    for signed in [false, true] {
        let all = ranges(signed);
        assert_eq!(all.len(), 136);
        for &a in &all {
            for &b in &all {
                let results = HOWS.map(|how| {
                    [(Alu::Add, a.plus(b, how)), (Alu::Sub, a.minus(b, how)), (Alu::Mul, a.product(b, how))]
                });
                for (x, y) in within(a).flat_map(|x| within(b).map(move |y| (x, y))) {
                    for (op, result) in results.into_iter().flatten() {
                        assert!(result.contains(eval_word(op, x, y)), "{op:?} {a:?} {b:?}: {x:?} {y:?}");
                    }
                    assert!(x != y || !a.is_apart_from(b));
                }
                assert_eq!(a.includes(b), within(b).all(|x| a.contains(x)));
            }
            for n in 0..4 {
                for x in within(a) {
                    assert!(a.lsh(n).contains(x.shl(n)));
                    assert!(a.rsh(n).contains(x.shr(n)) || signed);
                    assert!(a.arsh(n).contains(x.sar(n)));
                }
            }
            assert_eq!(a.lsh(4), Range::FULL);
        }
    }
}

#[test]
fn ranges_lose_no_member_by_learning() {
    for unsigned in ranges(false) {
        for signed in ranges(true) {
            let mut range = unsigned;
            range.meet(signed);
            let mut learned = range;
            learned.exchange();
            // A contradiction may come to look like a number; nothing is lost by that.
            let empty = within(range).next().is_none();
            for word in W4::all() {
                let same = range.contains(word) == learned.contains(word);
                assert!(same || empty, "{range:?} {learned:?}");
            }
            for value in W4::all() {
                let mut dropped = range;
                dropped.drop_end(value);
                assert!(within(range).all(|word| word == value || dropped.contains(word)));
            }
        }
    }
}

type S4 = ScalarOf<W4>;

/// The members as a set of bits.
fn set(scalar: &S4) -> u16 {
    W4::all().filter(|&word| scalar.contains(word)).fold(0, |set, word| set | 1 << word.to_u64())
}

fn in_set(set: u16) -> impl Iterator<Item = W4> + Clone {
    W4::all().filter(move |word| set >> word.to_u64() & 1 == 1)
}

fn check_alu(op: Alu, width: Width, a: &S4, b: &S4, how: Arithmetic) -> S4 {
    let result = a.alu(op, width, b, how);
    let set_of_result = set(&result);
    for x in in_set(set(a)) {
        for y in in_set(set(b)) {
            let value = eval(op, width, x, y);
            let found = set_of_result >> value.to_u64() & 1 == 1;
            assert!(found, "{op:?} {width:?} {a:?} {b:?}: {x:?} {y:?} gives {value:?}, not in {result:?}");
        }
    }
    result
}

fn check_cond(cond: Cond, width: Width, a: &S4, b: &S4, how: Arithmetic) -> [S4; 4] {
    let decided = cond.decide(width, a, b);
    let taken = cond.assume(width, true, a, b, how);
    let other = cond.assume(width, false, a, b, how);
    let sets = [taken.0, taken.1, other.0, other.1].map(|scalar| set(&scalar));
    for x in in_set(set(a)) {
        for y in in_set(set(b)) {
            let outcome = holds(cond, width, x, y);
            assert!(decided.is_none_or(|decided| decided == outcome), "{cond:?} {a:?} {b:?}");
            let (left, right) = if outcome { (sets[0], sets[1]) } else { (sets[2], sets[3]) };
            let kept = left >> x.to_u64() & 1 == 1 && right >> y.to_u64() & 1 == 1;
            assert!(kept, "{cond:?} {width:?} {outcome} {a:?} {b:?}: loses {x:?} {y:?}");
        }
        let outcome = holds(cond, width, x, x);
        assert!(cond.assume_same(width, outcome, a, how).contains(x), "{cond:?} {a:?} with itself");
    }
    [taken.0, taken.1, other.0, other.1]
}

fn check_unary(a: &S4, how: Arithmetic) -> Vec<S4> {
    let mut results = Vec::new();
    let mut check = |result: S4, meaning: &dyn Fn(W4) -> W4, name: &str| {
        for x in in_set(set(a)) {
            assert!(result.contains(meaning(x)), "{name} {a:?}: {x:?} not in {result:?}");
        }
        results.push(result);
    };
    for width in WIDTHS {
        check(a.negate(width, how), &|x| eval(Alu::Sub, width, W4::ZERO, x), "negate");
    }
    for bits in 1..=4 {
        check(a.truncate(bits, how), &|x| x & W4::low_mask(bits), "truncate");
    }
    for bits in 1..=2 {
        check(a.sign_extend(Width::W64, bits, how), &|x| extended(Width::W64, bits, x), "sign_extend");
    }
    check(a.sign_extend(Width::W32, 1, how), &|x| extended(Width::W32, 1, x), "sign_extend low");
    check(a.zero_extend(how), &|x| W4::zext(x.low()), "zero_extend");
    check(S4::from_tnum(a.tnum(), how), &|x| x, "from_tnum");
    results
}

/// Everything that operations and comparisons with constants lead to, each step checked.
fn reachable(how: Arithmetic) -> Vec<S4> {
    let mut seen: HashSet<S4> = HashSet::new();
    let mut found: Vec<S4> = Vec::new();
    let constants: Vec<S4> = W4::all().map(S4::constant).collect();
    let mut push = |found: &mut Vec<S4>, mut scalar: S4| {
        if scalar.violation().is_some() {
            scalar.forget_bounds();
        }
        if seen.insert(scalar) {
            found.push(scalar);
        }
    };
    push(&mut found, S4::UNKNOWN);
    let mut next = 0;
    while next < found.len() {
        let scalar = found[next];
        next += 1;
        for result in check_unary(&scalar, how) {
            push(&mut found, result);
        }
        for constant in &constants {
            for width in WIDTHS {
                for op in ALUS {
                    push(&mut found, check_alu(op, width, &scalar, constant, how));
                }
                for cond in CONDS {
                    for result in check_cond(cond, width, &scalar, constant, how) {
                        push(&mut found, result);
                    }
                }
            }
        }
    }
    found
}

#[test]
fn scalar_operators_are_sound() {
    [Arithmetic::LATEST, Arithmetic::LEAST].into_iter().for_each(check_scalars);
}

fn check_scalars(how: Arithmetic) {
    let all = reachable(how);
    assert!(all.len() > 1000, "only {} scalars were reached", all.len());
    // Each is paired with a few hundred others, spread evenly by a step without common factor.
    let step = 7919 % all.len() + 1;
    let mut other = 0;
    for a in &all {
        for _ in 0..(200_000 / all.len()).max(1) {
            other = (other + step) % all.len();
            let b = &all[other];
            for width in WIDTHS {
                for op in ALUS {
                    check_alu(op, width, a, b, how);
                }
                for cond in CONDS {
                    check_cond(cond, width, a, b, how);
                }
            }
            let (sum, difference) = (set(&a.pointer_plus(b, how)), set(&a.pointer_minus(b, how)));
            for (x, y) in in_set(set(a)).flat_map(|x| in_set(set(b)).map(move |y| (x, y))) {
                assert!(sum >> x.plus(y).to_u64() & 1 == 1, "{a:?} {b:?}");
                assert!(difference >> x.minus(y).to_u64() & 1 == 1, "{a:?} {b:?}");
            }
            let both = set(a) & set(b);
            assert_eq!(set(&a.intersect(b, how)) & both, both);
            assert!(!a.is_within(b) || set(a) & !set(b) == 0);
        }
    }
}

#[test]
fn constants_are_computed_exactly() {
    for (x, y) in W4::all().flat_map(|x| W4::all().map(move |y| (x, y))) {
        let (a, b) = (S4::constant(x), S4::constant(y));
        for width in WIDTHS {
            for op in &ALUS[..9] {
                let limit = if width == Width::W64 { 4 } else { 2 };
                let is_shift = matches!(op, Alu::Lsh | Alu::Rsh | Alu::Arsh);
                let expected = match is_shift && y.to_u64() >= limit {
                    true => S4::UNKNOWN,
                    false => S4::constant(eval(*op, width, x, y)),
                };
                for how in HOWS {
                    assert_eq!(a.alu(*op, width, &b, how), expected, "{x:?} {op:?} {y:?}");
                }
            }
            for cond in CONDS {
                assert_eq!(cond.decide(width, &a, &b), Some(holds(cond, width, x, y)), "{cond:?}");
            }
        }
    }
}

/// One step of a program of two registers.
#[derive(Clone, Debug)]
enum Step {
    Alu(Alu, Width, bool, u64),
    Branch(Cond, Width, bool, u64),
    Negate(Width),
    Truncate(u32),
    Extend(Width, u32),
    Swap(u32),
    Exchange,
}

fn interesting() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (any::<u64>(), 0..64_u32).prop_map(|(value, n)| value >> n),
        (any::<i64>(), 0..64_u32).prop_map(|(value, n)| (value >> n) as u64),
        (0..64_u32, -1..=1_i64).prop_map(|(n, more)| (1_u64 << n).wrapping_add(more as u64)),
        0..70_u64,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let width = prop::sample::select(WIDTHS.to_vec());
    let alu = prop::sample::select(ALUS.to_vec());
    let cond = prop::sample::select(CONDS.to_vec());
    let size = prop::sample::select(alloc::vec![8_u32, 16, 32]);
    prop_oneof![
        4 => (alu, width.clone(), any::<bool>(), interesting())
            .prop_map(|(op, width, reg, imm)| Step::Alu(op, width, reg, imm)),
        5 => (cond, width.clone(), any::<bool>(), interesting())
            .prop_map(|(cond, width, reg, imm)| Step::Branch(cond, width, reg, imm)),
        1 => width.clone().prop_map(Step::Negate),
        1 => size.clone().prop_map(Step::Truncate),
        1 => (width, size).prop_map(|(width, size)| match width {
            Width::W64 => Step::Extend(width, size),
            Width::W32 => Step::Extend(width, size.min(16)),
        }),
        1 => prop::sample::select(alloc::vec![16_u32, 32, 64]).prop_map(Step::Swap),
        2 => Just(Step::Exchange),
    ]
}

/// A number and what is known of it.
type Known<F> = (F, ScalarOf<F>);

fn run<F: Full>(step: &Step, a: &mut Known<F>, b: &mut Known<F>, how: Arithmetic) {
    let operand = |reg: bool, imm: u64| match reg {
        true => *b,
        false => (F::from_u64(imm), ScalarOf::constant(F::from_u64(imm))),
    };
    match *step {
        Step::Alu(op, width, reg, imm) => {
            let other = operand(reg, imm);
            *a = (eval(op, width, a.0, other.0), a.1.alu(op, width, &other.1, how));
        }
        Step::Branch(cond, width, reg, imm) => {
            let other = operand(reg, imm);
            let outcome = holds(cond, width, a.0, other.0);
            let decided = cond.decide(width, &a.1, &other.1);
            assert!(decided.is_none_or(|decided| decided == outcome), "{step:?}");
            let (left, right) = cond.assume(width, outcome, &a.1, &other.1, how);
            assert_eq!(left.violation(), None, "{step:?} {left:?}");
            a.1 = left;
            assert!(right.contains(other.0), "{step:?}");
            if reg {
                b.1 = right;
            }
        }
        Step::Negate(width) => *a = (eval(Alu::Sub, width, F::ZERO, a.0), a.1.negate(width, how)),
        Step::Truncate(bits) => {
            let bits = bits * F::BITS / 64;
            *a = (a.0 & F::low_mask(bits), a.1.truncate(bits, how));
        }
        Step::Extend(width, bits) => {
            let bits = (bits * F::BITS / 64).max(1);
            *a = (extended(width, bits, a.0), a.1.sign_extend(width, bits, how));
        }
        Step::Swap(bits) if F::BITS == 64 => {
            let swapped = F::from_u64(a.0.to_u64().swap_bytes() >> (64 - bits));
            *a = (swapped, a.1.byte_swap(bits, how));
        }
        Step::Swap(_) => {}
        Step::Exchange => core::mem::swap(a, b),
    }
}

fn walk<F: Full>(start: (u64, u64), masks: (u64, u64), steps: &[Step], how: Arithmetic) {
    let known = |value: u64, mask: u64| {
        let value = F::from_u64(value);
        (value, ScalarOf::from_tnum(Tnum::new(value, F::from_u64(mask)), how))
    };
    let (mut a, mut b) = (known(start.0, masks.0), known(start.1, masks.1));
    for step in steps {
        let before = (a, b);
        run(step, &mut a, &mut b, how);
        assert!(a.1.contains(a.0), "{step:?} from {before:?} to {a:?}");
        assert!(b.1.contains(b.0), "{step:?} from {before:?} to {b:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn programs_stay_within_what_is_known(
        start in (interesting(), interesting()),
        masks in (interesting(), interesting()),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        for how in HOWS {
            walk::<u64>(start, masks, &steps, how);
            walk::<Small<8>>(start, masks, &steps, how);
            walk::<Small<6>>(start, masks, &steps, how);
        }
    }
}
