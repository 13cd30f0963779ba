DELETE FROM risk_summary
