-- Roles and databases of Postgres, made or corrected: it may run again at any time, and does after a password was changed.
-- Run by psql as the superuser; the passwords come by the environment.
\set ON_ERROR_STOP on
\getenv alameda_password ALAMEDA_PASSWORD
\getenv dashboard_password DASHBOARD_PASSWORD
\getenv mlflow_password MLFLOW_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['alameda', 'dashboard', 'mlflow']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE alameda PASSWORD :'alameda_password';
ALTER ROLE dashboard PASSWORD :'dashboard_password';
ALTER ROLE mlflow PASSWORD :'mlflow_password';
-- It reads, and can't be made to hold up the publisher.
ALTER ROLE dashboard SET default_transaction_read_only = on;
ALTER ROLE dashboard SET statement_timeout = '60s';

SELECT format('CREATE DATABASE %I OWNER %I', name, name)
FROM unnest(ARRAY['alameda', 'mlflow']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name)
\gexec
REVOKE ALL ON DATABASE alameda, mlflow FROM PUBLIC;
GRANT CONNECT ON DATABASE alameda TO dashboard;

\connect alameda
GRANT USAGE, CREATE ON SCHEMA public TO alameda;
GRANT USAGE ON SCHEMA public TO dashboard;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO dashboard;
-- The tables that publishing makes later.
ALTER DEFAULT PRIVILEGES FOR ROLE alameda IN SCHEMA public GRANT SELECT ON TABLES TO dashboard;
