//! Programs with known ends.

use super::*;

#[test]
fn small() {
    assert_eq!(run(&program("r0 = 1\nexit")).unwrap(), 1);
}
