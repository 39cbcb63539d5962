//! `publish-predictions publish` into a real Postgres: what is in the table, whatever happens
//! on the way there.

mod catch_up;
mod contents;
mod failures;
pub(crate) mod fixture;
mod golden;
mod schedules;
mod table;
