//! What a store's URL names.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::check_key;
use runtime::failure::Failure;

/// A place for objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// An absolute folder.
    Folder(PathBuf),
    /// An S3 bucket.
    Bucket {
        name: String,
        /// What every key begins with, without slashes at its ends; empty for the whole bucket.
        prefix: String,
    },
}

impl Address {
    /// Parses a folder, a `file://` URL or `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// Anything else: exit 2. The text holds no part of a URL that might be a secret.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = match url.split_once("://") {
            None => return Ok(Address::Folder(absolute(url.into())?)),
            Some(parts) => parts,
        };
        if rest
            .split('/')
            .next()
            .is_some_and(|host| host.contains('@'))
        {
            return Err(Failure::usage(format!(
                "a URL of a store, {scheme}://..., contains a user or a key before an @: remove \
                 it, and give credentials \
                 in variables such as AWS_ACCESS_KEY_ID"
            )));
        }
        match scheme {
            "file" => {
                let path = url::Url::parse(url)
                    .ok()
                    .and_then(|parsed| parsed.to_file_path().ok());
                let path = path.ok_or_else(|| {
                    Failure::usage(format!(
                        "{url:?} is not a file URL, such as file:///data/store"
                    ))
                })?;
                Ok(Address::Folder(absolute(path)?))
            }
            "s3" => bucket(url, rest),
            _ => Err(Failure::usage(format!(
                "the store {scheme}://... is refused: give a folder, a file:// URL or s3://BUCKET/PREFIX; set \
                 AWS_ENDPOINT_URL for a server other than Amazon's"
            ))),
        }
    }

    /// The address as messages show it.
    pub(super) fn url(&self) -> String {
        match self {
            Address::Folder(folder) => folder.display().to_string(),
            Address::Bucket { name, prefix } if prefix.is_empty() => format!("s3://{name}"),
            Address::Bucket { name, prefix } => format!("s3://{name}/{prefix}"),
        }
    }
}

fn bucket(url: &str, rest: &str) -> Result<Address> {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Failure::usage(format!(
            "{url:?} names no bucket: give s3://BUCKET/PREFIX, such as s3://data/alameda"
        )));
    }
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty() {
        check_key(prefix).with_context(|| format!("the store {url}"))?;
    }
    Ok(Address::Bucket {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
    })
}

fn absolute(folder: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&folder)
        .with_context(|| format!("resolving the folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::failure::exit_code;

    #[test]
    fn a_store_is_a_folder_or_a_bucket_with_a_prefix() {
        let bucket = |name: &str, prefix: &str| Address::Bucket {
            name: name.into(),
            prefix: prefix.into(),
        };
        for (url, address) in [
            ("/data/store", Address::Folder("/data/store".into())),
            (
                "file:///data/my%20store",
                Address::Folder("/data/my store".into()),
            ),
            ("s3://data", bucket("data", "")),
            ("s3://data/", bucket("data", "")),
            ("s3://my.data-1/a/b c/", bucket("my.data-1", "a/b c")),
        ] {
            assert_eq!(Address::parse(url).unwrap(), address, "{url}");
        }
        assert_eq!(
            Address::parse("s3://data//a/").unwrap().url(),
            "s3://data/a"
        );
    }

    #[test]
    fn other_addresses_are_refused_by_name_and_without_their_secrets() {
        for (url, part) in [
            ("http://minio:9000/data", "AWS_ENDPOINT_URL"),
            ("gs://data", "gs://..."),
            ("s3://", "names no bucket"),
            ("s3:///prefix", "names no bucket"),
            ("s3://data?versionId=1", "names no bucket"),
            ("s3://data/a/../b", "'..'"),
            ("s3://AKIA1:hunter2@data/a", "before an @"),
            ("https://user:hunter2@minio/data", "before an @"),
        ] {
            let error = Address::parse(url).unwrap_err();
            let text = format!("{error:#}");
            assert_eq!(exit_code(&error), 2, "{url}: {text}");
            assert!(
                text.contains(part) && !text.contains("hunter2"),
                "{url}: {text}"
            );
        }
    }
}
