//! Reports on what a [`Home`] holds.

use catalog::layout;
use pages::content::Committed;
use pages::judge::Rules;
use profile::drift::Thresholds;
use runtime::step::Outputs;
use settings::FailOn;

use crate::report::{Request, report};

pub(super) use testing_home::{Home, Names, Rows, name, version};

/// A home whose results are reported on.
pub(super) trait Reported {
    /// Reports, and fails on no verdict.
    async fn try_report(&self, results_manifest: &str) -> anyhow::Result<Outputs>;

    async fn try_report_failing_on(
        &self,
        results_manifest: &str,
        fail_on: FailOn,
    ) -> anyhow::Result<Outputs>;

    /// Reports, and reads back what was committed.
    async fn report(&self, results_manifest: &str) -> (Outputs, Committed);

    /// The page of the report.
    async fn html(&self) -> String;
}

impl Reported for Home {
    async fn try_report(&self, results_manifest: &str) -> anyhow::Result<Outputs> {
        self.try_report_failing_on(results_manifest, FailOn::Never)
            .await
    }

    async fn try_report_failing_on(
        &self,
        results_manifest: &str,
        fail_on: FailOn,
    ) -> anyhow::Result<Outputs> {
        let request = Request {
            fail_on,
            results_manifest: results_manifest.to_owned(),
            labels_glob: "labels/*.parquet".to_owned(),
            rules: Rules {
                thresholds: Thresholds {
                    warn: 0.1,
                    alert: 0.25,
                    min_rows: 100,
                },
                columns: self.columns.clone(),
            },
        };
        report(&self.step, &self.store, &self.raw, &self.tracking, &request).await
    }

    async fn report(&self, results_manifest: &str) -> (Outputs, Committed) {
        let outputs = self.try_report(results_manifest).await.unwrap();
        let key = layout::report_json(&layout::report(&version("25.05.1"), &name(), 3));
        (outputs, self.store.require_json(&key).await.unwrap())
    }

    async fn html(&self) -> String {
        let key = layout::report_html(&layout::report(&version("25.05.1"), &name(), 3));
        String::from_utf8(self.store.require(&key).await.unwrap()).unwrap()
    }
}
