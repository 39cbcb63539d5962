//! Opening a bucket: from variables to a client. Nothing is asked of the server yet.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::HttpConnector;
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};

use super::Bucket;
use super::http::Connector;
use crate::Access;
use crate::environment::{ALLOW_HTTP, CA_BUNDLE, ENDPOINT, REGION, Setting, VIRTUAL_HOSTED};
use runtime::failure::Failure;
use runtime::retry::Service;

/// The region of a server that has none; AWS's oldest.
const NO_REGION: &str = "us-east-1";

impl Bucket {
    /// Opens the bucket `name`; every key begins with `prefix`.
    ///
    /// # Errors
    /// Variables that make no sense: exit 2.
    pub(crate) fn open(name: &str, prefix: &str, url: String, access: &Access) -> Result<Self> {
        let (environment, role) = (&access.environment, access.role);
        let region = environment
            .first(role, &REGION)
            .map_or_else(|| NO_REGION.to_owned(), |region| region.value);
        let endpoint = endpoint(name, &region, access)?;
        let identity = environment.identity(role)?;

        // Without a time limit of its own: what limits a call knows how much it carries.
        let mut options = ClientOptions::new()
            .with_timeout_disabled()
            .with_allow_http(environment.switch(role, ALLOW_HTTP)?);
        for certificate in certificates(access)? {
            options = options.with_root_certificate(certificate);
        }
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 0,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_region(&region)
            // The endpoint is the bucket's own, which is what this says.
            .with_endpoint(&endpoint)
            .with_virtual_hosted_style_request(true)
            .with_client_options(options.clone())
            .with_retry(retry)
            .with_http_connector(Connector);
        for (variable, value) in &identity.settings {
            builder = builder.with_config(config_key(variable)?, value);
        }
        for (variable, Setting { value, .. }) in environment.options(role) {
            builder = builder.with_config(config_key(variable)?, value);
        }
        let client = builder
            .build()
            .map_err(|error| Failure::usage(format!("opening {url}: {error}")))?;
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        Ok(Self {
            credentials: client.credentials().clone(),
            http: Connector.connect(&options)?,
            client,
            identity,
            role,
            region,
            service: Service {
                name: "S3",
                host: host(&endpoint),
            },
            endpoint,
            name: name.to_owned(),
            prefix,
            url,
            budget: access.budget,
            scratch: access.scratch.clone(),
            part_sizes: Default::default(),
            uploads: Arc::clone(&access.uploads),
            is_there: AtomicBool::new(false),
        })
    }
}

fn config_key(variable: &str) -> Result<AmazonS3ConfigKey> {
    variable
        .to_ascii_lowercase()
        .parse()
        .with_context(|| format!("the variable {variable}"))
}

/// Where the bucket is.
fn endpoint(bucket: &str, region: &str, access: &Access) -> Result<String> {
    let (environment, role) = (&access.environment, access.role);
    let virtual_hosted = environment.switch(role, VIRTUAL_HOSTED)?;
    let Some(Setting { variable, value }) = environment.first(role, &ENDPOINT) else {
        return Ok(match virtual_hosted {
            true => format!("https://{bucket}.s3.{region}.amazonaws.com"),
            false => format!("https://s3.{region}.amazonaws.com/{bucket}"),
        });
    };
    let refuse = |what: &str| Failure::usage(format!("{variable} {what}"));
    let parsed = url::Url::parse(&value)
        .ok()
        .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
    let url = parsed.ok_or_else(|| refuse("is not a URL, such as https://minio.example:9000"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(
            "contains a user or a password: remove it, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    }
    if url.scheme() == "http" && !environment.switch(role, ALLOW_HTTP)? {
        return Err(refuse(
            "begins with http://, which is not encrypted: set AWS_ALLOW_HTTP=true if that is intended",
        ));
    }
    let value = value.trim_end_matches('/');
    if !virtual_hosted {
        return Ok(format!("{value}/{bucket}"));
    }
    let (scheme, rest) = value.split_once("://").unwrap_or_default();
    Ok(if rest.starts_with(&format!("{bucket}.")) {
        value.to_owned()
    } else {
        format!("{scheme}://{bucket}.{rest}")
    })
}

fn host(endpoint: &str) -> String {
    let rest = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

fn certificates(access: &Access) -> Result<Vec<Certificate>> {
    let Some(Setting {
        variable,
        value: file,
    }) = access.environment.first(access.role, &[CA_BUNDLE])
    else {
        return Ok(Vec::new());
    };
    let pem = std::fs::read(&file).with_context(|| format!("reading {file} ({variable})"))?;
    let bundle = Certificate::from_pem_bundle(&pem).map_err(|error| {
        Failure::usage(format!(
            "{file} ({variable}) contains no PEM certificates: {error}"
        ))
    })?;
    match bundle.is_empty() {
        true => Err(Failure::usage(format!(
            "{file} ({variable}) contains no PEM certificates"
        ))),
        false => Ok(bundle),
    }
}
