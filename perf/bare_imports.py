"""The least a program with our providers can do: import them."""

import cdktf  # noqa: F401 # pyright: ignore[reportUnusedImport]
import cdktf_cdktf_provider_cloudflare  # noqa: F401 # pyright: ignore[reportUnusedImport]
import cdktf_cdktf_provider_helm  # noqa: F401 # pyright: ignore[reportUnusedImport]
import cdktf_cdktf_provider_kubernetes  # noqa: F401 # pyright: ignore[reportUnusedImport]
import cdktf_cdktf_provider_null  # noqa: F401 # pyright: ignore[reportUnusedImport]
import cdktf_cdktf_provider_random  # noqa: F401 # pyright: ignore[reportUnusedImport]
import cdktf_cdktf_provider_tls  # noqa: F401 # pyright: ignore[reportUnusedImport]
