from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Static files under names with a hash of their content, also in the imports of modules."""

    support_js_module_import_aggregation = True
