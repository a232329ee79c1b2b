//! What is wrong with a cluster file: each error with its line, its field and its fix, all of them
//! in one go. Reading and rules write into a [`Report`]; the user sees [`ConfigErrors`].

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// Everything that is wrong with a cluster file, by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file.
    pub path: PathBuf,
    /// At least one error.
    pub errors: Vec<ConfigError>,
}

/// One thing that is wrong with a cluster file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Line, 1-based; `None` where the file could not be read at all.
    pub line: Option<usize>,
    /// Entry and field, such as `service "web", publish[0].published`; may be empty.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

/// Where something stands in the file: its line, and the entry and field people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    entry: String,
    field: String,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// Collects errors while a file is read and checked.
#[derive(Debug)]
pub(super) struct Report {
    line_starts: Vec<usize>,
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// The error of a file that cannot be read.
    #[must_use]
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let error = ConfigError {
            line: None,
            field: String::new(),
            message: format!("cannot read the cluster file: {error}"),
            fix: "check the path and its permissions".to_owned(),
        };
        Self { path: path.to_owned(), errors: vec![error] }
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{error}", self.path.display())?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.field.is_empty() {
            write!(f, " {}:", self.field)?;
        }
        write!(f, " {}; {}", self.message, self.fix)
    }
}

impl Place {
    /// The place of an entry, such as `service "web"`.
    pub(super) fn entry(line: usize, entry: impl Into<String>) -> Self {
        Self { line, entry: entry.into(), field: String::new() }
    }

    /// A field of what stands here.
    pub(super) fn key(&self, line: usize, key: &str) -> Self {
        let field =
            if self.field.is_empty() { key.to_owned() } else { format!("{}.{key}", self.field) };
        Self { line, entry: self.entry.clone(), field }
    }

    /// An element of the list that stands here.
    pub(super) fn index(&self, line: usize, index: usize) -> Self {
        Self { line, entry: self.entry.clone(), field: format!("{}[{index}]", self.field) }
    }

    /// The entry and its line, as other errors refer to it.
    pub(super) fn reference(&self) -> String {
        format!("{} (line {})", self.entry, self.line)
    }

    /// The entry without its field.
    pub(super) fn entry_name(&self) -> &str {
        &self.entry
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.entry.is_empty() || self.field.is_empty() { "" } else { ", " };
        write!(f, "{}{separator}{}", self.entry, self.field)
    }
}

impl Report {
    /// An empty report about `text`.
    pub(super) fn new(text: &str) -> Self {
        let starts =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { line_starts: std::iter::once(0).chain(starts).collect(), errors: Vec::new() }
    }

    /// The line, 1-based, that a span of bytes begins in.
    pub(super) fn line(&self, span: Range<usize>) -> usize {
        self.line_starts.partition_point(|&start| start <= span.start)
    }

    /// Adds an error.
    pub(super) fn add(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.errors.push(ConfigError {
            line: Some(place.line),
            field: place.to_string(),
            message: message.into(),
            fix: fix.into(),
        });
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// All errors, by line.
    pub(super) fn into_errors(mut self, path: &Path) -> ConfigErrors {
        self.errors.sort_by_key(|error| error.line);
        ConfigErrors { path: path.to_owned(), errors: self.errors }
    }
}
