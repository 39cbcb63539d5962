//! The verb `plan`: which configurations have to prepare the candidate's holdout besides its own,
//! so that `promote` can measure their champions on it. It writes nothing.

use anyhow::Result;
use runtime::step::{Outputs, Step};
use store::Store;
use tracking::Tracking;

use crate::Plan;
use crate::comparison::{self, ComparableChampion};
use crate::history::History;
use crate::holdout::AtPlan;
use crate::promote::Standing;

/// Lists configurations; more of them than `promote` turns out to need, because it scores no
/// champion of before once the candidate is refused, and never fewer but where one is found wanting
/// then.
///
/// # Errors
/// What would fail `promote` as well.
pub(crate) async fn plan(
    step: &Step,
    store: &Store,
    tracking: &Tracking,
    flags: &Plan,
) -> Result<Outputs> {
    let name = &flags.model_name;
    let candidate = tracking.version(name, flags.model_version).await?;
    let standing = Standing::read(tracking, &candidate).await?;
    let outputs = Outputs::new().set("champion", AtPlan(standing.champion));
    let champion = standing.champion(tracking, name).await?;
    let (Some(champion), Ok((contender, holdout))) =
        (champion, standing.open(store, &candidate).await?)
    else {
        return Ok(nothing(outputs));
    };
    // One that can't be compared is for the verdict to report.
    let comparable = ComparableChampion::read(store, champion.clone(), &holdout).await;
    let Ok(comparable) = comparison::by_data(comparable)? else {
        return Ok(nothing(outputs));
    };
    let gate = crate::gate(store, &flags.gate, &candidate).await?;
    let history = History::read(tracking, &gate, &candidate, &champion).await?;
    let mut configurations: Vec<String> = Vec::new();
    let of_champion = comparable.own_configuration().map(str::to_owned);
    let of_window = history.other_configurations(step, store, &gate, &holdout);
    for configuration in of_champion.into_iter().chain(of_window.await?) {
        if !configurations.contains(&configuration) {
            configurations.push(configuration);
        }
    }
    tracing::info!(
        configurations = configurations.len(),
        "{1} must be prepared with {0} other configurations",
        configurations.len(),
        contender.manifest.holdout_manifest
    );
    Ok(outputs
        .set("configurations", serde_json::to_string(&configurations)?)
        .set("count", configurations.len())
        .set("holdout-manifest", &contender.manifest.holdout_manifest)
        .set("data-version", &holdout.data_version))
}

/// There is nothing to prepare.
fn nothing(outputs: Outputs) -> Outputs {
    outputs
        .set("configurations", "[]")
        .set("count", 0)
        .set("holdout-manifest", "")
        .set("data-version", "")
}
