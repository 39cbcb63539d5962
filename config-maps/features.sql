SELECT
  *,
  feature1 * feature2 AS feature1_times_feature2,
  feature1 - feature2 AS feature1_minus_feature2
FROM raw
