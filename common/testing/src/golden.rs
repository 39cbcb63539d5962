//! For tests: the bytes that a step writes, so that other bytes under the same `ALGORITHM` are
//! seen.

use anyhow::Result;

use store::Store;
use store::digest;

/// What a test says where the bytes differ from those of its snapshot.
pub const OTHER_BYTES: &str = "the step writes other bytes from the same inputs: where that is \
    meant, raise its ALGORITHM, unless it was raised since the last release, and renew the \
    snapshot with INSTA_UPDATE=always; under the same number, a store would mix files of two \
    releases";

/// A line for `algorithm`, and one for each object of these folders with the digest of its bytes.
/// When and in which workflow it was written does not count.
///
/// # Errors
/// Those of the store.
pub async fn files(store: &Store, algorithm: u32, folders: &[&str]) -> Result<String> {
    let mut lines = format!("ALGORITHM {algorithm}\n");
    for folder in folders {
        let mut objects = store.list(folder).await?;
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        for object in objects {
            let mut bytes = store.require(&object.key).await?;
            if object.key.ends_with(".json") {
                bytes = undated(&String::from_utf8_lossy(&bytes)).into_bytes();
            }
            lines += &format!("{} {}\n", object.key, digest::hex(&bytes));
        }
    }
    Ok(lines)
}

/// The text of a JSON file without what each run writes again.
fn undated(json: &str) -> String {
    ["created_at", "workflow"]
        .iter()
        .fold(json.to_owned(), |text, name| {
            let begin = format!("\"{name}\":");
            let mut pieces = text.split(&begin);
            let mut undated = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                let value = piece.trim_start();
                let end = value.strip_prefix('"').and_then(|value| value.find('"'));
                undated += &begin;
                undated += &value[end.map_or(0, |end| end + 2)..];
            }
            undated
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_workflows_do_not_count_and_all_else_does() {
        let one = r#"{"created_at": "2026-01-01T00:00:00Z", "rows":1,"workflow":"a","x":2}"#;
        let other = r#"{"created_at": "2026-02-01T00:00:00.5Z", "rows":1,"workflow":"bc","x":2}"#;
        assert_eq!(undated(one), undated(other));
        assert_eq!(
            undated(one),
            r#"{"created_at":, "rows":1,"workflow":,"x":2}"#
        );
        assert_ne!(undated(one), undated(&one.replace("\"x\":2", "\"x\":3")));
    }
}
