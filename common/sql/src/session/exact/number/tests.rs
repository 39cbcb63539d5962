use super::*;

/// Numbers of a generator, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Any finite float.
    fn float(&mut self) -> f64 {
        let float = f64::from_bits(self.next());
        if float.is_finite() {
            float
        } else {
            self.float()
        }
    }

    /// A float as data have it.
    fn plain(&mut self) -> f64 {
        (self.next() % 2_000_001) as f64 / 100.0 - 10_000.0
    }
}

fn sum(values: &[f64]) -> Number {
    let mut sum = Number::default();
    values.iter().for_each(|&value| sum.add(value.into()));
    sum
}

#[test]
fn one_number_is_its_own_sum() {
    let mut numbers = Numbers(1);
    let mut values: Vec<f64> = (0..10_000).map(|_| numbers.float()).collect();
    values.extend([
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        1.0,
        -1.0,
        2.2e-308,
    ]);
    for value in values {
        assert_eq!(sum(&[value]).round(), value);
        assert_eq!(sum(&[value]).divided(&[1]), value);
        assert_eq!(sum(&[value, value]).divided(&[2]), value);
        assert_eq!(sum(&[value, value, value]).divided(&[3]), value);
        assert_eq!(
            sum(&[value, -value]),
            Number {
                added: 2,
                ..sum(&[value, -value])
            }
        );
        assert_eq!(sum(&[value, -value]).round().to_bits(), 0);
        assert_eq!(sum(&[value]).sign(), value.total_cmp(&0.0));
    }
    assert_eq!(sum(&[]).round(), 0.0);
    assert_eq!(sum(&[0.0, -0.0]).round().to_bits(), 0);
}

#[test]
fn sums_are_rounded_once() {
    let tiny = 5e-324;
    for (values, expected) in [
        (vec![1e100, 1.0, -1e100], 1.0),
        (vec![1e308, 1e308, -1e308], 1e308),
        (vec![f64::MAX, f64::MAX], f64::INFINITY),
        (vec![-f64::MAX, -f64::MAX], -f64::INFINITY),
        (vec![0.1; 10], 1.0),
        // Halfway between two floats: to the even one, unless something is below.
        (vec![9_007_199_254_740_992.0, 1.0], 9_007_199_254_740_992.0),
        (vec![9_007_199_254_740_994.0, 1.0], 9_007_199_254_740_996.0),
        (
            vec![9_007_199_254_740_992.0, 1.0, tiny],
            9_007_199_254_740_994.0,
        ),
        (
            vec![9_007_199_254_740_994.0, 1.0, -tiny],
            9_007_199_254_740_994.0,
        ),
        (vec![f64::MIN_POSITIVE, -tiny], f64::MIN_POSITIVE - tiny),
        (vec![tiny, tiny, tiny], 1.5e-323),
    ] {
        assert_eq!(sum(&values).round(), expected, "{values:?}");
        let negated: Vec<f64> = values.iter().map(|value| -value).collect();
        assert_eq!(sum(&negated).round(), -expected, "{values:?}");
    }
}

#[test]
fn order_splits_and_what_was_taken_away_do_not_matter() {
    let mut numbers = Numbers(2);
    for round in 0..300 {
        let count = (numbers.next() % 40) as usize;
        let value = |_| match round % 3 {
            0 => numbers.float(),
            1 => numbers.plain(),
            _ => -numbers.plain().abs(),
        };
        let values: Vec<f64> = (0..count).map(value).collect();
        let encoded = |sum: &Number| {
            let mut bytes = Vec::new();
            sum.encode(&mut bytes);
            bytes
        };
        let whole = sum(&values);
        let mut shuffled = values.clone();
        for at in (1..count).rev() {
            shuffled.swap(at, (numbers.next() % (at as u64 + 1)) as usize);
        }
        assert_eq!(encoded(&sum(&shuffled)), encoded(&whole));
        let split = if count == 0 {
            0
        } else {
            (numbers.next() % count as u64) as usize
        };
        let (left, right) = shuffled.split_at(split);
        let bytes = encoded(&sum(right));
        let mut merged = Number::decode(&mut &bytes[..]).unwrap();
        merged.merge(&sum(left));
        assert_eq!(encoded(&merged), encoded(&whole));
        let mut less = whole.clone();
        left.iter()
            .for_each(|&value| less.add(Parts::from(value).negated()));
        assert_eq!(encoded(&less), encoded(&sum(right)));
        assert_eq!(less.round().to_bits(), sum(right).round().to_bits());
    }
}

#[test]
fn arithmetic_of_sums_is_that_of_whole_numbers() {
    let mut numbers = Numbers(3);
    for _ in 0..2_000 {
        let [a, b] = [0, 1].map(|_| (numbers.next() >> 4) as i64 - (1 << 59));
        let whole = |value: i64| {
            let mut sum = Number::default();
            sum.add(value.into());
            sum
        };
        let mut product = Number::default();
        product.add_product(a.into(), b.into());
        let exact = i128::from(a) * i128::from(b);
        assert_eq!(product.round(), exact as f64);
        assert_eq!(whole(a).product(&whole(b)).round(), exact as f64);
        assert_eq!(whole(a).minus(&whole(b)).round(), (a - b) as f64);
        assert_eq!(
            product.clone().minus(&whole(b)).round(),
            (exact - i128::from(b)) as f64
        );
        assert_eq!(product.sign(), exact.cmp(&0));
        let by = numbers.next() >> (numbers.next() % 60) | 1;
        assert_eq!(product.times(by).divided(&[by]), exact as f64);
        // A quotient of 64 bits and less is exact in 128, but for the last rounding.
        let quotient = whole(a).divided(&[by, 3]);
        let scaled = ((i128::from(a).unsigned_abs() << 64) / u128::from(by) / 3) as f64;
        let near = scaled / 18_446_744_073_709_551_616.0;
        assert!(
            (quotient.abs() - near).abs() <= near * 1e-15 + 1e-18,
            "{a} {by}"
        );
        let (float, exponent) = product.scaled();
        assert_eq!(float * 2_f64.powi(exponent), exact as f64);
    }
}
