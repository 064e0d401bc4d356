//! Normal forms of values as send functions write them.

use super::KeyShape::{self, *};
use super::{KeyDigest, KeyHasher, Nulls, SCRATCH_BYTES, normal, xxh3_128};

fn normal_form(shape: &KeyShape, value: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    normal::write(shape, value, &mut |bytes| form.extend_from_slice(bytes)).unwrap();
    form
}

fn words(words: &[i32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn floats_have_one_zero_and_one_nan() {
    let form = |value: f64| normal_form(&Float8, &value.to_be_bytes());
    assert_eq!(form(-0.0), form(0.0));
    assert_eq!(form(f64::from_bits(0xfff8_0000_0000_0001)), form(f64::NAN));
    assert_ne!(form(1.0), form(-1.0));
    assert_ne!(form(f64::INFINITY), form(f64::NAN));
    let form = |value: f32| normal_form(&Float4, &value.to_be_bytes());
    assert_eq!(form(-0.0), form(0.0));
    assert_ne!(form(1.0), form(1.5));
}

#[test]
fn the_scale_of_a_numeric_does_not_count() {
    let one = |scale| [&[0, 1, 0, 0, 0, 0, 0, scale][..], &[0, 1]].concat();
    assert_eq!(normal_form(&Numeric, &one(0)), normal_form(&Numeric, &one(2)));
    let minus = [&[0, 1, 0, 0, 0x40, 0, 0, 0][..], &[0, 1]].concat();
    assert_ne!(normal_form(&Numeric, &one(0)), normal_form(&Numeric, &minus));
}

#[test]
fn hours_are_days_and_days_are_months() {
    let form = |hours: i64, days: i32, months: i32| {
        let micros = hours * 3_600_000_000;
        normal_form(&Interval, &[&micros.to_be_bytes()[..], &words(&[days, months])].concat())
    };
    assert_eq!(form(24, 0, 0), form(0, 1, 0));
    assert_eq!(form(0, 30, 0), form(0, 0, 1));
    assert_eq!(form(-24, 31, 0), form(0, 0, 1));
    assert_ne!(form(0, 29, 0), form(0, 0, 1));
}

#[test]
fn trailing_blanks_do_not_count() {
    assert_eq!(normal_form(&Padded, b"a  "), normal_form(&Padded, b"a"));
    assert_eq!(normal_form(&Padded, b"  "), normal_form(&Padded, b""));
    assert_ne!(normal_form(&Padded, b" a"), normal_form(&Padded, b"a"));
}

#[test]
fn arrays_compare_bounds_and_elements() {
    let of = |flags: i32, lower: i32, value: &[u8]| {
        let length = i32::try_from(value.len()).unwrap();
        [&words(&[1, flags, 1042, 1, lower, length])[..], value].concat()
    };
    let shape = Array(Box::new(Padded));
    let form = |value: &[u8]| normal_form(&shape, value);
    assert_eq!(form(&of(0, 1, b"x ")), form(&of(1, 1, b"x")));
    assert_ne!(form(&of(0, 1, b"x")), form(&of(0, 2, b"x")));
    assert_ne!(form(&of(0, 1, b"x")), form(&words(&[1, 1, 1042, 1, 1, -1])));
}

#[test]
fn fields_do_not_run_together() {
    let shape = Record(vec![Bytes, Bytes]);
    let of = |first: &[u8], second: &[u8]| {
        let mut value = words(&[2]);
        for field in [first, second] {
            value.extend(words(&[25, i32::try_from(field.len()).unwrap()]));
            value.extend_from_slice(field);
        }
        normal_form(&shape, &value)
    };
    assert_ne!(of(b"ab", b"c"), of(b"a", b"bc"));
}

#[test]
fn what_is_not_of_the_shape_is_an_error() {
    let shapes = [
        Float4,
        Float8,
        Numeric,
        Interval,
        Array(Box::new(Float8)),
        Range(Box::new(Numeric)),
        Multirange(Box::new(Interval)),
        Record(vec![Float4]),
    ];
    let lengths = [0, 1, 2, 3, 5, 7, 13, 15, 17, 31];
    for shape in &shapes {
        for length in lengths {
            let value = vec![0x7f; length];
            assert!(normal::write(shape, &value, &mut |_| ()).is_err(), "{shape:?} {length}");
        }
    }
    // A huge array without elements.
    let huge = words(&[1, 0, 23, i32::MAX, 1]);
    assert!(normal::write(&Array(Box::new(Bytes)), &huge, &mut |_| ()).is_err());
}

#[test]
fn digests_depend_on_values_and_not_on_how_they_come() {
    let digest = |columns: &[Option<&[u8]>], nulls| {
        let mut hasher = KeyHasher::new(vec![Bytes; columns.len()], nulls);
        // What was hashed in vain leaves nothing behind.
        hasher.digest(vec![Some(&[7; 3 * SCRATCH_BYTES][..]), None]).unwrap();
        hasher.digest(columns.iter().copied()).unwrap()
    };
    let of = |columns: &[Option<&[u8]>]| digest(columns, Nulls::Distinct);
    for length in [0, 1, 3, 16, 17, 240, 241, SCRATCH_BYTES - 1, SCRATCH_BYTES, 5 * SCRATCH_BYTES] {
        let value = vec![b'x'; length];
        // A byte that says that the column is there, and its normal form.
        let form = [vec![1], normal_form(&Bytes, &value)].concat();
        let whole = KeyDigest::from_u128(xxh3_128(&form));
        assert_eq!(of(&[Some(&value)]), Some(whole), "{length}");
        assert_ne!(of(&[Some(&[&value[..], b"x"].concat())]), Some(whole), "{length}");
        assert_eq!(KeyDigest::from_be_bytes(whole.to_be_bytes()), whole);
    }
    assert_eq!(of(&[Some(b"a"), None]), None);
    let not_distinct = |columns: &[Option<&[u8]>]| digest(columns, Nulls::NotDistinct);
    assert_eq!(not_distinct(&[Some(b"a"), None]), not_distinct(&[Some(b"a"), None]));
    assert_ne!(not_distinct(&[Some(b"a"), None]), not_distinct(&[None, Some(b"a")]));
    assert_ne!(not_distinct(&[Some(b"a"), None]), not_distinct(&[Some(b"a"), Some(b"")]));
}
