"""Suture's domain: plain Python that never imports airflow. One room per part of the patch lifecycle."""
