INSERT INTO campaign_number (year, last_number)
VALUES (%(year)s, 1)
ON CONFLICT (year) DO UPDATE SET last_number = campaign_number.last_number + 1
RETURNING last_number
