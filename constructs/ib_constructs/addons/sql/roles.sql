-- The roles of the gateway's database. Run by psql as a superuser after each change of this file; running it again changes nothing.
-- The environment has the passwords, which so stand in no process list.
\set ON_ERROR_STOP on
\getenv bifrost_password BIFROST_PASSWORD
\getenv reader_password READER_PASSWORD

SELECT 'CREATE ROLE bifrost LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bifrost') \gexec
SELECT 'CREATE ROLE billing_reader LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_reader') \gexec
ALTER ROLE bifrost PASSWORD :'bifrost_password';
ALTER ROLE billing_reader PASSWORD :'reader_password' CONNECTION LIMIT 8;
ALTER ROLE billing_reader SET default_transaction_read_only = on;
ALTER ROLE billing_reader SET statement_timeout = '60s';
SELECT 'CREATE DATABASE bifrost OWNER bifrost ENCODING UTF8 TEMPLATE template0'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'bifrost') \gexec

REVOKE ALL ON DATABASE bifrost FROM PUBLIC;
GRANT CONNECT ON DATABASE bifrost TO billing_reader;

\connect bifrost
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO bifrost;
GRANT USAGE ON SCHEMA public TO billing_reader;

-- What billing needs and no more: no prompt, no answer, no key's value. The gateway makes and changes its tables by
-- itself, so the grants follow its changes instead of waiting for somebody to repeat them.
-- Only tables that changed: two gateways that change two tables at once would else stumble over each other's grants.
CREATE OR REPLACE FUNCTION public.grant_to_billing(changed oid[]) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  wanted CONSTANT jsonb := '{
    "logs": ["id", "inc_number", "parent_request_id", "timestamp", "created_at", "object_type", "provider", "model",
             "alias", "number_of_retries", "fallback_index", "virtual_key_id", "virtual_key_name", "prompt_tokens",
             "completion_tokens", "total_tokens", "cached_read_tokens", "token_usage", "cost", "status", "stream", "latency", "customer_id",
             "customer_name", "error_details"],
    "governance_virtual_keys": ["id", "name", "is_active", "team_id", "customer_id", "created_at", "updated_at"],
    "governance_customers": ["id", "name", "created_at", "updated_at"],
    "governance_teams": ["id", "name", "customer_id"],
    "governance_model_pricing": ["model", "provider", "mode", "input_cost_per_token", "output_cost_per_token",
             "cache_read_input_token_cost", "cache_creation_input_token_cost", "output_cost_per_reasoning_token", "cost_per_request"]
  }';
  granted record;
BEGIN
  FOR granted IN
    SELECT attrelid::regclass AS name, string_agg(quote_ident(attname), ', ') AS columns
    FROM jsonb_each(wanted) AS w(name, columns)
    JOIN pg_attribute ON attrelid = to_regclass('public.' || w.name) AND w.columns ? attname
    WHERE attrelid = ANY (changed)
    GROUP BY attrelid
  LOOP
    EXECUTE format('GRANT SELECT (%s) ON %s TO billing_reader', granted.columns, granted.name);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION public.grant_after_change() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM public.grant_to_billing(ARRAY(SELECT objid FROM pg_event_trigger_ddl_commands() WHERE classid = 'pg_class'::regclass));
END $$;

DROP EVENT TRIGGER IF EXISTS billing_reader_follows;
CREATE EVENT TRIGGER billing_reader_follows ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION public.grant_after_change();
SELECT public.grant_to_billing(ARRAY(SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace));
