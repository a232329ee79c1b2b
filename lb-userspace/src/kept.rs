//! Files that an agent keeps for the next one: read where they are, replaced in one step, so that a kill
//! or a crash leaves the old or the new text and never a piece.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Rights of a file that concerns the agent alone.
pub const OWNER_ONLY: u32 = 0o600;
/// Rights of a file that anybody may read, as far as the umask lets them.
pub const ANYBODY: u32 = 0o666;

/// Where the next text of `path` is written before it takes its place. It stays there where an agent
/// was killed meanwhile, or the disk was full.
#[must_use]
pub fn draft_of(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".next");
    draft.into()
}

/// The text of a file; `None` where there is none.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some),
    }
}

/// Replaces a file that may be lost with the machine's power.
///
/// # Errors
/// It cannot be written; the former one stays.
pub fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    write_draft(path, text, mode)?;
    fs::rename(draft_of(path), path)
}

/// Replaces a file, for the agent alone, that is to be there after a crash of the machine, too.
///
/// # Errors
/// As [`replace`].
pub fn replace_durably(path: &Path, text: &[u8]) -> io::Result<()> {
    write_draft(path, text, OWNER_ONLY)?.sync_all()?;
    fs::rename(draft_of(path), path)
}

fn write_draft(path: &Path, text: &[u8], mode: u32) -> io::Result<File> {
    let draft = draft_of(path);
    // One that was left may have other rights.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
    file.write_all(text)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_rights_and_leaves_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert_eq!(read(&path).unwrap(), None);
        fs::write(draft_of(&path), "a piece that an agent left, open to all").unwrap();
        replace(&path, b"one", OWNER_ONLY).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        replace_durably(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"two"[..]));
        assert!(!draft_of(&path).exists());
    }

    #[test]
    fn a_draft_lies_beside_its_file() {
        assert_eq!(draft_of(Path::new("/run/x/status.json")), Path::new("/run/x/status.json.next"));
    }
}
