#!/usr/bin/env bash
# Makes the Secrets that the overlay `minikube` needs, with random values; one that exists is left as it is.
# secrets.sh [NAMESPACE]
set -euo pipefail
namespace="${1:-alameda}"

# secret NAME: the values come as KEY=VALUE lines from stdin, because others see command lines.
secret() {
    if kubectl --namespace "$namespace" get secret "$1" > /dev/null 2>&1; then
        echo "secret/$1 exists"
    else
        kubectl --namespace "$namespace" create secret generic "$1" --from-env-file=/dev/stdin
    fi
}
random() { openssl rand -hex 24; }

secret alameda-storage << END
AWS_ACCESS_KEY_ID=alameda
AWS_SECRET_ACCESS_KEY=$(random)
END
secret alameda-database << END
PGUSER=alameda
PGPASSWORD=$(random)
END
secret alameda-dashboard << END
PGUSER=dashboard
PGPASSWORD=$(random)
END
secret alameda-mlflow << END
PGPASSWORD=$(random)
END
secret alameda-postgres << END
POSTGRES_PASSWORD=$(random)
END
