//! Where a person finds the rows of a sample.

/// Where the rows of a sample are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Names of the files, each with the numbers of its rows, from 0.
    files: Vec<(String, Vec<u64>)>,
}

impl Places {
    /// Adds the rows of the next file, by their numbers.
    pub(crate) fn add(&mut self, file: &str, numbers: Vec<u64>) {
        self.files.push((file.to_owned(), numbers));
    }

    /// That of a row of the sample as a person finds it.
    pub(crate) fn of(&self, row: usize) -> String {
        let mut row = row;
        for (file, numbers) in &self.files {
            match numbers.get(row) {
                Some(number) => return format!("row {} of {file}", number + 1),
                None => row -= numbers.len(),
            }
        }
        String::new()
    }

    /// The name of the first file.
    pub(crate) fn first_file(&self) -> &str {
        self.files.first().map_or("", |(file, _)| file)
    }
}
