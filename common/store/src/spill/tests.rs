use super::*;
use runtime::failure::exit_code;
use runtime::work::Disk;
use std::path::Path;

/// A sorter that keeps so many records in memory.
fn with_run<R: Record + Default>(work: impl Into<Work>, run: usize) -> Sorter<R> {
    Sorter::with_memory(work, run * R::default().size())
}

fn sorted(run: usize, values: &[u128]) -> Vec<u128> {
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = with_run(folder.path(), run);
    values.iter().for_each(|&value| sorter.push(value).unwrap());
    sorter.finish().unwrap().map(Result::unwrap).collect()
}

#[test]
fn spilled_runs_merge_into_the_order_of_memory() {
    let values: Vec<u128> = (0..1000u128).map(|i| (i * 7919) % 997).collect();
    let mut expected = values.clone();
    expected.sort_unstable();
    // Runs of one record fill several levels.
    for run in [1, 2, 7, 999, 1000, 1001] {
        assert_eq!(sorted(run, &values), expected, "run of {run}");
    }
    assert_eq!(sorted(4, &[]), []);
}

#[test]
fn records_of_words_are_ordered_word_by_word_and_keep_their_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<[u64; 4]> = (0..500u64)
        .map(|i| [i * 7919 % 13, u64::MAX - i % 7, i * 31 % 17, i | 1 << 63])
        .collect();
    let mut expected = values.clone();
    expected.sort_unstable();
    for run in [3, 64, 1000] {
        let mut sorter = with_run::<[u64; 4]>(folder.path(), run);
        values.iter().for_each(|&value| sorter.push(value).unwrap());
        let found: Vec<_> = sorter.finish().unwrap().map(Result::unwrap).collect();
        assert_eq!(found, expected, "run of {run}");
    }
}

#[test]
fn merged_sorters_give_the_records_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = with_run(folder.path(), 4);
    for part in 0..7u128 {
        let mut sorter = with_run(folder.path(), 4);
        (0..part * 5).for_each(|i| sorter.push((i * 7 + part) % 23).unwrap());
        all.merge(sorter).unwrap();
    }
    let mut expected: Vec<u128> = (0..7)
        .flat_map(|part| (0..part * 5).map(move |i| (i * 7 + part) % 23))
        .collect();
    expected.sort_unstable();
    assert_eq!(
        all.finish()
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn what_threads_sort_apart_is_sorted_together() {
    let folder = tempfile::tempdir().unwrap();
    let sorters = Sorters::<u128>::with_memory(folder.path(), 5 * 16);
    std::thread::scope(|scope| {
        for thread in 0..4u128 {
            let sorters = &sorters;
            scope.spawn(move || {
                let fill = |sorter: &mut Sorter| {
                    (0..33).try_for_each(|i| sorter.push((i * 17 + thread) % 41))
                };
                sorters.lend(fill).unwrap();
                sorters.lend(fill).unwrap();
            });
        }
    });
    let mut expected: Vec<u128> = (0..4)
        .flat_map(|thread| (0..66).map(move |i| (i % 33 * 17 + thread) % 41))
        .collect();
    expected.sort_unstable();
    assert_eq!(
        sorters
            .finish()
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(sorters.finish().unwrap().count(), 0);
}

#[test]
fn a_sorter_stays_within_the_budget_of_disk_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(1000 * 16);
    let work = Work::new(folder.path(), disk.clone(), 1 << 20);
    let mut sorter = with_run(&work, 10);
    (0..400).for_each(|value| sorter.push(value).unwrap());
    assert_eq!(sorter.finish().unwrap().count(), 400);
    assert_eq!(disk.used(), 0);

    let mut sorter = with_run(&work, 10);
    let error = (0..2000)
        .find_map(|value| sorter.push(value).err())
        .unwrap();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let text = format!("{error:#}");
    assert!(
        text.contains("--disk") && text.contains("sorting records"),
        "{text}"
    );
    drop(sorter);
    assert_eq!(disk.used(), 0);
}

#[test]
fn an_unwritable_scratch_folder_is_named() {
    let mut sorter = with_run(Path::new("/no/such/folder"), 1);
    assert!(
        sorter
            .push(1_u128)
            .unwrap_err()
            .to_string()
            .contains("/no/such/folder")
    );
}

/// A record of as many bytes as it has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Text(String);

impl Record for Text {
    const PURPOSE: &'static str = "sorting texts";

    fn size(&self) -> usize {
        self.0.len()
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&[self.0.len() as u8])?;
        to.write_all(self.0.as_bytes())
    }

    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut length = [0];
        if !fill(from, &mut length)? {
            return Ok(None);
        }
        let mut text = String::new();
        from.take(length[0].into()).read_to_string(&mut text)?;
        Ok(Some(Self(text)))
    }
}

#[test]
fn records_of_any_length_are_read_from_disk_as_often_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut texts: Vec<Text> = (0..700_usize)
        .map(|i| Text("x".repeat(i % 9) + &(i * 7919 % 601).to_string()))
        .collect();
    for memory in [1, 100, 1 << 20] {
        let sorters = Sorters::<Text>::with_memory(folder.path(), memory);
        for half in texts.chunks(350) {
            let fill = |sorter: &mut Sorter<Text>| {
                half.iter().try_for_each(|text| sorter.push(text.clone()))
            };
            sorters.lend(fill).unwrap();
        }
        let runs = sorters.runs().unwrap();
        texts.sort();
        for _ in 0..2 {
            let mut merged = runs.read().unwrap();
            for text in &texts {
                assert_eq!(merged.next_ref().unwrap(), Some(text), "{memory} bytes");
            }
            assert_eq!(merged.next_ref().unwrap(), None);
        }
    }
}

#[test]
fn a_record_that_was_cut_is_no_end() {
    let mut bytes = [0; 16];
    assert!(!fill(&mut &b""[..], &mut bytes).unwrap());
    assert!(fill(&mut &b"0123456789abcdef"[..], &mut bytes).unwrap());
    let error = fill(&mut &b"0123"[..], &mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}
