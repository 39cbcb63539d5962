#![doc = include_str!("../README.md")]

pub mod browser;
mod command;
mod faults;
pub mod generated;
pub mod golden;
mod moto;
mod receiver;
mod s3;
mod shared;

pub use command::{Ran, ask_mlflow, command};
pub use faults::{Call, Fault, HttpProxy, Rule, TcpFault, TcpProxy};
pub use moto::Moto;
pub use receiver::{Received, Receiver};
pub use s3::S3Server;
pub use services::{
    Minio, Mlflow, MlflowOptions, Postgres, PostgresOptions, Server, free_port, local, place,
    program, python, status,
};
pub use shared::{minio, mlflow, postgres};
