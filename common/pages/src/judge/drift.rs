//! Drift of every column.

use chrono::NaiveDate;
use profile::categories::{NewValues, most_without_code};
use profile::cells::{Bar, Compared, Side};
use profile::drift::{self, NoiseFloor, Psi, PsiBucket, PsiKind, Verdict};
use profile::grid::MOST_HIDDEN;
use settings::monitored::SCORE;

use super::{Rules, ratio};
use crate::content::{
    Bin, CategoryDrift, CategoryRows, CategoryShares, ColumnDrift, ComparedWith, Drift, Period,
    Periods, Summary, Values,
};

/// Bars of a histogram.
const BINS: usize = 32;

/// Columns that the verdict is on, the score among them.
pub fn judged_of(features: &[String], rules: &Rules) -> usize {
    let columns = features.iter().map(String::as_str).chain([SCORE]);
    columns.filter(|name| rules.columns.judges(name)).count()
}

/// All columns, the features in the order of how bad they are.
pub fn together(
    score: ColumnDrift,
    mut features: Vec<ColumnDrift>,
    periods: Option<Periods>,
) -> Drift {
    let index = |column: &ColumnDrift| column.psi.as_ref().map_or(-1.0, |psi| psi.value);
    // Stable: equal ones stay in the model's order.
    features.sort_by(|a, b| {
        b.judged
            .cmp(&a.judged)
            .then(b.verdict.cmp(&a.verdict))
            .then(index(b).total_cmp(&index(a)))
    });
    let judged = || features.iter().filter(|column| column.judged);
    Drift {
        comparisons: judged().count() as u64 + u64::from(score.judged),
        categories: Vec::new(),
        drifted_features: judged()
            .filter(|column| column.verdict >= Verdict::Warn)
            .count() as u64,
        psi_max: judged()
            .filter_map(|column| Some(column.psi.as_ref()?.value))
            .max_by(f64::total_cmp),
        periods,
        score,
        features,
    }
}

/// The worst of all columns that are judged; insufficient data where none is.
pub fn verdict(drift: &Drift) -> Verdict {
    let columns = std::iter::once(&drift.score).chain(&drift.features);
    let categories = drift.categories.iter();
    columns
        .filter_map(ColumnDrift::judgement)
        .chain(categories.filter_map(CategoryDrift::judgement))
        .max()
        .unwrap_or(Verdict::InsufficientData)
}

/// Stretches of time with their rows, and what chance explains in each; `None` without any.
pub fn over(
    unit: Period,
    dated: &[(NaiveDate, u64)],
    floor: &NoiseFloor,
    trained: u64,
    cells: usize,
) -> Option<Periods> {
    (!dated.is_empty()).then(|| Periods {
        unit,
        dates: dated.iter().map(|(date, _)| *date).collect(),
        rows: dated.iter().map(|(_, rows)| *rows).collect(),
        noise_floor: dated
            .iter()
            .map(|(_, rows)| floor.at(cells, trained.max(1), (*rows).max(1)))
            .collect(),
        odd: Vec::new(),
    })
}

/// A column beside training.
pub struct Column<'a> {
    /// Name of the column.
    pub name: &'a str,
    /// What was counted of it.
    pub compared: &'a Compared<'a>,
    /// Share of training within which rows may have moved unseen.
    pub hidden: f64,
    /// The distinct values now with their rows, where they are few and known.
    pub distinct: Option<&'a [(f64, u64)]>,
    /// Of categories: the values that have a cell each.
    pub categories: Option<&'a [String]>,
    /// Of categories: the values that have none, where they are known.
    pub new: Option<&'a NewValues>,
    /// Of categories: rows of training whose value no other row there has, and rows now whose value
    /// training did not have; `None` where training does not say which values it had.
    pub unknown: Option<[u64; 2]>,
    /// Its index in each period.
    pub psi_by_period: Vec<Option<f64>>,
}

/// What a column comes to.
pub fn judged(column: Column<'_>, floor: &NoiseFloor, rules: &Rules) -> ColumnDrift {
    let Column { name, compared, .. } = column;
    let psi = compared.psi(floor);
    let concentrated = psi
        .as_ref()
        .and_then(|psi| concentrated(psi, &column, floor));
    let psi = match column.unknown {
        Some(unknown) => psi.and_then(|psi| apart(psi, unknown, floor)),
        None => psi,
    };
    let categories = column
        .categories
        .map(|names| shares(names, &column, concentrated.is_some()).sorted());
    let psi = concentrated.into_iter().chain(psi);
    let judge = |psi: &Psi| drift::verdict(Some(psi), &rules.thresholds);
    let psi = psi.max_by(|a, b| {
        let by_value = a.value.total_cmp(&b.value);
        judge(a).cmp(&judge(b)).then(by_value)
    });
    let is_numeric = categories.is_none();
    let side = |side: &Side| match is_numeric {
        true => summary(compared, side),
        // The codes of categories are in no order.
        false => Summary {
            rows: side.rows(),
            missing: side.missing(),
            ..Summary::default()
        },
    };
    let (then, now) = (side(&compared.then), side(&compared.now));
    let spread = then.std.filter(|std| *std > 0.0);
    let hidden = Some(column.hidden).filter(|hidden| *hidden >= MOST_HIDDEN);
    let verdict = match drift::verdict(psi.as_ref(), &rules.thresholds) {
        Verdict::Ok if hidden.is_some() => Verdict::Warn,
        verdict => verdict,
    };
    let bar = |bar: Bar| Bin {
        lower: bar.lower,
        upper: bar.upper,
        reference: bar.then,
        current: bar.now,
    };
    let moved = now.mean.zip(then.mean).zip(spread);
    ColumnDrift {
        name: name.to_owned(),
        verdict,
        judged: rules.columns.judges(name),
        hidden,
        jensen_shannon: psi.as_ref().map(Psi::jensen_shannon),
        psi,
        ks: compared.ks().filter(|_| is_numeric),
        mean_shift: moved.map(|((now, then), spread)| (now - then) / spread),
        std_ratio: now.std.zip(spread).map(|(now, spread)| now / spread),
        values: values(compared, column.distinct).filter(|_| is_numeric),
        categories,
        psi_by_period: column.psi_by_period,
        compared_with: ComparedWith::default(),
        reference: then,
        current: now,
        histogram: match is_numeric {
            true => compared.bars(BINS).into_iter().map(bar).collect(),
            false => Vec::new(),
        },
    }
}

/// An index whose values without a cell are in two parts: those that training had too, and others.
/// Fewer of the others than usual are no drift, as where the customers of training come again.
fn apart(psi: Psi, [then, now]: [u64; 2], floor: &NoiseFloor) -> Option<Psi> {
    if ratio(now, psi.current_rows) <= ratio(then, psi.reference_rows) {
        return Some(psi);
    }
    let buckets = psi.buckets.iter().flat_map(|bucket| {
        let (then, now) = match bucket.kind {
            PsiKind::Above => (then.min(bucket.reference), now.min(bucket.current)),
            _ => (0, 0),
        };
        let of = |then, now| PsiBucket::new(bucket.kind, bucket.lower, bucket.upper, then, now);
        [
            of(bucket.reference - then, bucket.current - now),
            of(then, now),
        ]
    });
    Psi::of(buckets, floor)
}

/// An index in which the value of the most rows now, of those without a cell, is a part of its own,
/// where chance does not explain these rows. Training counts as having had it as often as it can.
fn concentrated(psi: &Psi, column: &Column<'_>, floor: &NoiseFloor) -> Option<Psi> {
    let cells = column.categories?.len();
    let (_, now) = column.new?.most()?;
    let side = &column.compared.then.cells;
    let rest = *side.get(cells)?;
    let then = most_without_code(side.get(..cells)?.iter().copied(), rest)?;
    let others = column.compared.now.cells.get(cells)?.checked_sub(now)?;
    let sides = ([then, psi.reference_rows], [now, psi.current_rows]);
    // Each of the values without a cell is in a row, then or now.
    if rest == 0 || floor.explains(sides.0, sides.1, rest + others) {
        return None;
    }
    let buckets = psi.buckets.iter().flat_map(|bucket| {
        let of = |then, now| PsiBucket::new(bucket.kind, bucket.lower, bucket.upper, then, now);
        match bucket.kind {
            PsiKind::Above => [of(rest - then, others), of(then, now)],
            _ => [of(bucket.reference, bucket.current), of(0, 0)],
        }
    });
    Psi::of(buckets, floor)
}

/// The rows of each category; where the rows are concentrated on a value without a cell, this one
/// is among them.
fn shares(names: &[String], column: &Column<'_>, is_concentrated: bool) -> CategoryShares {
    let (compared, new) = (column.compared, column.new);
    let rows = |side: &Side, cell: usize| side.cells.get(cell).copied().unwrap_or(0);
    let (then, now, others) = (&compared.then, &compared.now, names.len());
    let value = |(cell, value): (usize, &String)| CategoryRows {
        value: value.clone(),
        reference: rows(then, cell),
        current: rows(now, cell),
    };
    let most = new.filter(|new| is_concentrated && new.values().is_none());
    let most = most.and_then(NewValues::most);
    let new_values = new.and_then(NewValues::values).into_iter().flatten();
    let new_values = new_values.map(|(value, rows)| (&**value, *rows));
    let new_values = new_values.chain(most).map(|(value, rows)| CategoryRows {
        value: value.to_owned(),
        reference: 0,
        current: rows,
    });
    CategoryShares {
        reference_rows: then.rows(),
        rows: now.rows(),
        reference_nulls: then.nulls,
        nulls: now.nulls,
        reference_rest: rows(then, others),
        values: names.iter().enumerate().map(value).collect(),
        reference_unknown: column.unknown.map(|[then, _]| then),
        unknown: column.unknown.map(|[_, now]| now),
        new_rows: rows(now, others),
        new_values: new_values.collect(),
    }
}

fn summary(compared: &Compared<'_>, side: &Side) -> Summary {
    let median = compared.quantile(side, 0.5);
    Summary {
        rows: side.rows(),
        missing: side.missing(),
        mean: side.mean,
        std: side.std,
        min: side.ends.map(|(min, _)| min),
        median: median.map(|of| of.value),
        median_low: median.map(|of| of.low),
        median_high: median.map(|of| of.high),
        max: side.ends.map(|(_, max)| max),
        bounded: side.bounded,
    }
}

/// Values that one side has and the other lacks, where both have few.
fn values(compared: &Compared<'_>, now: Option<&[(f64, u64)]>) -> Option<Values> {
    let then: Vec<f64> = compared.few()?.iter().map(|(value, _)| *value).collect();
    let now: Vec<f64> = now?.iter().map(|(value, _)| *value).collect();
    let lacking = |side: &[f64], other: &[f64]| {
        let values = side.iter().copied();
        values.filter(|value| !other.contains(value)).collect()
    };
    Some(Values {
        new: lacking(&now, &then),
        vanished: lacking(&then, &now),
    })
}

#[cfg(test)]
mod tests {
    use profile::categories::{Categories, code};
    use profile::cells::Counts;

    use super::*;

    /// The value of each row.
    type Rows<'a> = &'a dyn Fn(usize) -> String;

    /// What the judge knows of rows whose values have no cell.
    #[derive(Clone, Copy, PartialEq)]
    enum Sees {
        Nothing,
        /// The values.
        Values,
        /// How many training did not have.
        Unknown,
    }

    /// A column beside training, with the values of each row now.
    fn beside(trained: Categories, now: impl Iterator<Item = String>, sees: Sees) -> ColumnDrift {
        let (names, counted) = (trained.names(), trained.counted());
        let known = trained.known.filter(|_| sees == Sees::Unknown);
        let mut counts = Counts::new(&counted.cells);
        let (mut new, mut unknown) = (NewValues::default(), 0);
        for value in now {
            let code = code(&names, &value);
            counts.add(&counted.cells, code, 1);
            if code == names.len() as f64 {
                new.add(&value, 1);
                unknown += u64::from(known.as_ref().is_some_and(|known| !known.has(&value)));
            }
        }
        let side = |counts| Side::of(&counted.cells, counts);
        let compared = Compared::new(&counted.cells, side(&counted.counts), side(&counts));
        let column = Column {
            name: "city",
            compared: &compared,
            hidden: 0.0,
            distinct: None,
            categories: Some(&names),
            new: (sees == Sees::Values).then_some(&new),
            unknown: known.map(|known| [known.once, unknown]),
            psi_by_period: Vec::new(),
        };
        judged(column, &NoiseFloor::of(1), &Rules::default())
    }

    /// A column of 1000 values, each in as many rows of training, beside rows now.
    fn of(trained: u64, now: Rows<'_>, sees: Sees) -> ColumnDrift {
        let values = (0..1000).map(|i| (format!("city {i}"), trained));
        beside(Categories::of(0, values), (0..5000).map(now), sees)
    }

    #[test]
    fn rows_that_all_hold_one_rare_value_are_drift() {
        const CITIES: usize = 20_000;
        let city = |i: usize| format!("city {}", i % CITIES);
        let trained = || Categories::of(0, (0..CITIES).map(|i| (city(i), 5)));
        // One of so many rows has another value; that of the others is known, and has no cell.
        let now = |every: usize| {
            move |i: usize| match i % every {
                0 => city(i * 7),
                _ => city(19_000),
            }
        };
        assert!(!trained().names().contains(&city(19_000)));
        for (every, sees, verdict) in [
            (5000, Sees::Values, Verdict::Alert),
            (5000, Sees::Nothing, Verdict::Ok),
            // So many others that they are not listed.
            (2, Sees::Values, Verdict::Alert),
            (1, Sees::Values, Verdict::Ok),
        ] {
            let found = beside(trained(), (0..5000).map(now(every)), sees);
            assert_eq!(found.verdict, verdict, "{every}: {:?}", found.psi);
            let shares = found.categories.expect("categories");
            let most = shares.new_values.first().map(|of| (&*of.value, of.current));
            let (least, named) = (2500 - 5000 / 100, "city 19000");
            match verdict {
                Verdict::Alert => {
                    let (value, rows) = most.expect("a value");
                    assert!(value == named && rows >= least, "{value}: {rows}");
                }
                _ => assert_eq!(most, None),
            }
        }
    }

    #[test]
    fn the_same_population_is_concentrated_on_no_value() {
        // Of values that are equally frequent, or the less the higher their number.
        let equal = |values: f64| move |u: f64| values * u;
        let zipf = |values: f64| move |u: f64| libm::pow(values, u) - 1.0;
        let steep = |values: f64| move |u: f64| values * libm::pow(u, 4.0);
        type Of<'a> = Box<dyn Fn(f64) -> f64 + 'a>;
        let cases: [(Of<'_>, [u64; 2]); 9] = [
            (Box::new(equal(300.0)), [2_000, 600]),
            (Box::new(equal(1_000.0)), [2_000, 500]),
            (Box::new(equal(20_000.0)), [20_000, 500]),
            (Box::new(equal(20_000.0)), [2_000, 2_000]),
            (Box::new(zipf(5_000.0)), [2_000, 500]),
            (Box::new(zipf(100_000.0)), [20_000, 5_000]),
            (Box::new(steep(500.0)), [2_000, 500]),
            (Box::new(steep(20_000.0)), [5_000, 500]),
            (Box::new(steep(20_000.0)), [500, 5_000]),
        ];
        for (at, (of, [n, m])) in cases.iter().enumerate() {
            for seed in 0..100 {
                let drawn = |seed: u64, row: u64| of(learn::splitmix::uniform(seed, row)) as u64;
                let mut trained = std::collections::BTreeMap::new();
                for row in 0..*n {
                    *trained.entry(drawn(2 * seed, row)).or_insert(0) += 1;
                }
                let trained = trained.into_iter().map(|(of, rows)| (of.to_string(), rows));
                let trained = Categories::of(0, trained);
                let now = (0..*m).map(|row| drawn(2 * seed + 1, row).to_string());
                let now: Vec<String> = now.collect();
                let [seen, unseen] = [Sees::Values, Sees::Nothing]
                    .map(|sees| beside(trained.clone(), now.iter().cloned(), sees));
                assert_eq!(seen.psi, unseen.psi, "{at}, {seed}");
            }
        }
    }

    #[test]
    fn new_values_in_place_of_many_that_have_no_cell_are_drift() {
        let same = |i: usize| format!("city {}", i % 1000);
        let names = || Categories::of(0, (0..1000).map(|i| (same(i), 5))).names();
        let named = names();
        let replaced = |i: usize| match named.contains(&same(i)) {
            true => same(i),
            false => format!("town {}", i % 1000),
        };
        let cases: [(u64, Rows<'_>, Sees, Verdict); 5] = [
            (5, &same, Sees::Unknown, Verdict::Ok),
            (5, &replaced, Sees::Unknown, Verdict::Alert),
            // Where no row of training shares its value, others are to be expected, or fewer.
            (1, &replaced, Sees::Unknown, Verdict::Ok),
            (1, &same, Sees::Unknown, Verdict::Ok),
            // Of an earlier model nothing is seen.
            (5, &replaced, Sees::Nothing, Verdict::Ok),
        ];
        for (at, (trained, now, sees, verdict)) in cases.into_iter().enumerate() {
            let column = of(trained, now, sees);
            assert_eq!(column.verdict, verdict, "{at}: {:?}", column.psi);
            let shares = column.categories.expect("categories");
            assert_eq!(
                shares.hidden(),
                (sees == Sees::Nothing).then_some(0.9),
                "{at}"
            );
        }
    }
}
